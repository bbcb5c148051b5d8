package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const anyPort = "tcp://127.0.0.1:*"

// address is the address that the program says it has bound to.
func (p *program) address() string {
	p.t.Helper()
	return p.await(`bound to (\S+)$`)
}

// objects are n lines of JSON, in what sub or pull print and in what is given to pub or push.
func objects(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"n":%d,"big":12345678901234567890,"text":"<é%s>"}`, i, strings.Repeat("x", i))
	}
	return lines
}

// input is lines as standard input, of which the last has no end.
func input(lines ...string) io.Reader { return strings.NewReader(strings.Join(lines, "\n")) }

// wrapped puts each line behind what comes before it and closes the object.
func wrapped(before string, lines []string) []string {
	all := make([]string, len(lines))
	for i, line := range lines {
		all[i] = before + line + "}"
	}
	return all
}

func (p *program) wantLines(want []string) {
	p.t.Helper()
	if got := p.lines(); !slices.Equal(got, want) {
		p.t.Errorf("%v: %d lines, want %d:\n%.2000s", p.cmd, len(got), len(want), strings.Join(got, "\n"))
	}
}

func TestPushPull(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ binds, connects string }{{"push", "pull"}, {"pull", "push"}} {
		t.Run(tt.binds+" binds", func(t *testing.T) {
			t.Parallel()
			lines := objects(1000)
			args := map[string][]string{"pull": {"pull", "--count", "1000"}, "push": {"push"}}
			in := map[string]io.Reader{"push": input(lines...)}
			bound := start(t, in[tt.binds], append(args[tt.binds], "--address", anyPort)...)
			connected := start(t, in[tt.connects], append(args[tt.connects], "--address", bound.address())...)
			bound.wantExit(0)
			connected.wantExit(0)
			pull := bound
			if tt.connects == "pull" {
				pull = connected
			}
			pull.wantLines(wrapped(`{"message":`, lines))
		})
	}
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	lines := objects(1000)
	pub := start(t, input(lines...), "pub", "--topic", "t", "--address", anyPort, "--wait", "2")
	var subs []*program
	for range 2 {
		subs = append(subs, start(t, nil, "sub", "--address", pub.address(), "--count", "1000"))
	}
	pub.wantExit(0)
	for _, sub := range subs {
		sub.wantExit(0)
		sub.wantLines(wrapped(`{"topic":"t","message":`, lines))
	}
}

// What sub prints can be given to pub.
func TestPubRelaysSub(t *testing.T) {
	t.Parallel()
	lines := []string{`{"topic":"a","message":{"n":1}}`, `{"topic":"b.c","message":{"n":[1,{}]}}`, `{"topic":"a","message":{}}`}
	last := start(t, nil, "sub", "--address", anyPort, "--count", "3")
	read, write := io.Pipe()
	relay := start(t, read, "pub", "--address", ">"+last.address())
	relayed := prepare(t, nil, "sub", "--address", anyPort, "--count", "3")
	relayed.cmd.Stdout = io.MultiWriter(&relayed.stdout, write)
	relayed.begin()
	first := start(t, input(lines...), "pub", "--address", relayed.address())
	first.wantExit(0)
	relayed.wantExit(0)
	relayed.wantLines(lines)
	_ = write.Close() // never fails
	relay.wantExit(0)
	last.wantExit(0)
	last.wantLines(lines)
}

func TestSubSeveralAddressesAndTopics(t *testing.T) {
	t.Parallel()
	one := start(t, nil, "pub", "--address", anyPort, "--topic", "one.x", `{"n":1}`)
	two := start(t, nil, "pub", "--address", anyPort, "--topic", "two", `{"n":2}`)
	sub := start(t, nil, "sub", "-a", one.address(), "-a", two.address(), "-t", "one", "-t", "two", "-n", "2")
	for _, p := range []*program{one, two, sub} {
		p.wantExit(0)
	}
	got := sub.lines()
	slices.Sort(got)
	if want := []string{`{"topic":"one.x","message":{"n":1}}`, `{"topic":"two","message":{"n":2}}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		send    []string
		receive string
		in      []string
		want    []string
		bad     map[int]string // by line: what standard error says
	}{
		{
			name:    "push",
			send:    []string{"push"},
			receive: "pull",
			in:      []string{`{"n":1}`, `{"n":`, ``, `[1]`, `null`, "{\"s\":\"\xff\"}", `{"n":2}`},
			want:    []string{`{"message":{"n":1}}`, `{"message":{"n":2}}`},
			bad:     map[int]string{2: "not JSON", 4: "not a JSON object", 5: "not a JSON object", 6: "not UTF-8"},
		},
		{
			name:    "pub with a topic",
			send:    []string{"pub", "--topic", "t"},
			receive: "sub",
			in:      []string{`{"n":1}`, `nonsense`, `{"n":2}`},
			want:    []string{`{"topic":"t","message":{"n":1}}`, `{"topic":"t","message":{"n":2}}`},
			bad:     map[int]string{2: "not JSON"},
		},
		{
			name:    "pub without a topic",
			send:    []string{"pub"},
			receive: "sub",
			in: []string{
				`{"topic":"a","message":{"n":1}}`, `{"n":2}`, `{"topic":"b c","message":{}}`, `{"topic":"c","message":3}`,
				`{"topic":4,"message":{}}`, `{"topic":"a","message":{"n":2}}`,
			},
			want: []string{`{"topic":"a","message":{"n":1}}`, `{"topic":"a","message":{"n":2}}`},
			bad:  map[int]string{2: "without --topic a line is", 3: "has a space", 4: "not a JSON object", 5: "topic"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			receiver := start(t, nil, tt.receive, "--address", anyPort, "--count", fmt.Sprint(len(tt.want)))
			sender := start(t, input(tt.in...), append(tt.send, "--address", ">"+receiver.address())...)
			sender.wantExit(1)
			receiver.wantExit(0)
			receiver.wantLines(tt.want)
			for line, why := range tt.bad {
				sender.await(fmt.Sprintf(`line %d of standard input: .*%s`, line, regexp.QuoteMeta(why)))
			}
			sender.await(fmt.Sprintf(`: %d messages sent, %d refused$`, len(tt.want), len(tt.bad)))
		})
	}
}

func TestBadArgument(t *testing.T) {
	t.Parallel()
	start(t, nil, "push", "--address", anyPort, "nonsense").wantExit(1)
}

func TestCount(t *testing.T) {
	t.Parallel()
	pull := start(t, nil, "pull", "--address", anyPort, "--count", "5")
	start(t, nil, "push", "--address", pull.address(), "--count", "3", `{"of":"argument"}`).wantExit(0)
	start(t, input(objects(9)...), "push", "--address", pull.address(), "--count", "2").wantExit(0)
	pull.wantExit(0)
	if got := strings.Count(pull.stdout.String(), "argument"); got != 3 || len(pull.lines()) != 5 {
		t.Errorf("%d lines, of which %d the argument; want 5 and 3", len(pull.lines()), got)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status  int
		timeout string
		args    []string
	}{
		{124, "20ms", []string{"push", `{}`}},
		{124, "20ms", []string{"pub", "--topic", "t", `{}`}},
		{124, "20ms", []string{"sub", "--count", "1"}},
		{124, "20ms", []string{"pull", "--count", "1"}},
		{124, "1ns", []string{"pub", "--wait", "0", "--topic", "t", `{}`}},
		{0, "20ms", []string{"sub"}},
		{0, "20ms", []string{"pull"}},
		{0, "1ns", []string{"pull"}},
		{0, "1h", []string{"pub", "--wait", "0", "--topic", "t", `{}`}},
	} {
		args := append(tt.args, "--timeout", tt.timeout)
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			start(t, nil, append(args, "--address", anyPort)...).wantExit(tt.status)
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"unknown command", []string{"nonsense"}},
		{"unknown flag", []string{"sub", "--nonsense"}},
		{"unknown command", []string{"sub", "nonsense"}},
		{"no scheme", []string{"sub", "--address", "nonsense"}},
		{"no scheme", []string{"pull", "--address", "nonsense"}},
		{"no scheme", []string{"pub", "--address", "nonsense"}},
		{"no scheme", []string{"push", "--address", "nonsense"}},
		{"--count is negative", []string{"push", "--count", "-1"}},
		{"--timeout is negative", []string{"pull", "--timeout", "-1s"}},
		{"--wait is negative", []string{"pub", "--wait", "-1"}},
		{"a MESSAGE needs a --topic", []string{"pub", "{}"}},
		{"accepts at most 1 arg", []string{"push", "{}", "{}"}},
		{"are <message-size> <roundtrip-count>; 1 given", []string{"bench", "inproc_lat", "10"}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, tt.args...)
			p.wantExit(2)
			p.await(regexp.QuoteMeta(tt.want))
		})
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	pull := start(t, nil, "pull", "--address", anyPort)
	p := start(t, nil, "pull", "--address", "@"+pull.address())
	p.wantExit(1)
	p.await("address already in use|Only one usage")
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	version := start(t, nil, "version")
	version.wantExit(0)
	if got := version.stdout.String(); !regexp.MustCompile(`^experimance \S.* go1\S* \w+/\w+\n$`).MatchString(got) {
		t.Errorf("version: %q", got)
	}
	for _, args := range [][]string{{}, {"help"}, {"--help"}, {"demo", "--help"}, {"pub", "-h"}, {"pull", "-h"}} {
		p := start(t, nil, args...)
		p.wantExit(0)
		if help := p.stdout.String(); !strings.Contains(help, "Exit status:") || strings.Contains(help, "demo-worker") {
			t.Errorf("%q: no exit statuses, or the hidden command, in\n%s", args, help)
		}
	}
}

// Received messages that are not JSON are left out, and those that are come out as they were, in one line.
func TestSubPrintsJSONOnly(t *testing.T) {
	t.Parallel()
	pull := start(t, nil, "pull", "--address", anyPort, "--count", "1")
	start(t, nil, "push", "--address", pull.address(), "{\n\t\"a\" : [ 1.0, 1e400 ],\n\t\"b\":\"\\ud800 \\u2028\"}").wantExit(0)
	pull.wantExit(0)
	if got, want := pull.stdout.String(), `{"message":{"a":[1.0,1e400],"b":"\ud800 \u2028"}}`+"\n"; got != want || !json.Valid([]byte(got)) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// One byte order mark before the first line is skipped; elsewhere it is no JSON.
func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	lines := []string{`{"n":1}`, `{"n":2}`}
	pull := start(t, nil, "pull", "--address", anyPort, "--count", "2")
	push := start(t, input("\ufeff"+lines[0]+"\r", "\ufeff{}", lines[1]+"\r"), "push", "--address", pull.address())
	push.wantExit(1)
	pull.wantExit(0)
	pull.wantLines(wrapped(`{"message":`, lines))
	if text := push.stderr.String(); !strings.Contains(text, "line 2 of standard input") || strings.Contains(text, "line 1 ") {
		t.Errorf("standard error: %q", text)
	}
}
