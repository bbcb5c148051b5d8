package cli_test

import (
	"regexp"
	"testing"
)

var (
	throughputLines = regexp.MustCompile(`^message size: 64 \[B\]\nmessage count: 1000\nmean throughput: [1-9]\d* \[msg/s\]\nmean throughput: \d+\.\d{3} \[Mb/s\]\n$`)
	latencyLines    = regexp.MustCompile(`^message size: 64 \[B\]\nroundtrip count: 1000\naverage latency: \d+\.\d{3} \[us\]\n$`)
)

// The lines are those of libzmq's perf programs, on the side that prints them; the other side prints nothing.
func TestBench(t *testing.T) {
	t.Parallel()
	endpoint := "ipc://" + t.TempDir() + "/bench"
	for name, c := range map[string]struct {
		local, remote []string
		localPrints   *regexp.Regexp
		remotePrints  *regexp.Regexp
	}{
		"throughput": {
			[]string{"bench", "local_thr", endpoint + "t", "64", "1000"},
			[]string{"bench", "remote_thr", endpoint + "t", "64", "1000"},
			throughputLines, regexp.MustCompile(`^$`),
		},
		"latency": {
			[]string{"bench", "local_lat", endpoint + "l", "64", "1000"},
			[]string{"bench", "remote_lat", endpoint + "l", "64", "1000"},
			regexp.MustCompile(`^$`), latencyLines,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			local, remote := start(t, nil, c.local...), start(t, nil, c.remote...)
			for side, p := range map[*program]*regexp.Regexp{local: c.localPrints, remote: c.remotePrints} {
				side.wantExit(0)
				if !p.MatchString(side.stdout.String()) {
					t.Errorf("%v printed %q", side.cmd.Args, side.stdout.String())
				}
			}
		})
	}
}

func TestBenchInproc(t *testing.T) {
	t.Parallel()
	for sub, lines := range map[string]*regexp.Regexp{"inproc_thr": throughputLines, "inproc_lat": latencyLines} {
		p := start(t, nil, "bench", sub, "64", "1000")
		p.wantExit(0)
		if !lines.MatchString(p.stdout.String()) {
			t.Errorf("%s printed %q", sub, p.stdout.String())
		}
	}
}

func TestBenchArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"local_thr", "tcp://127.0.0.1:*", "-1", "10"},
		{"local_thr", "tcp://127.0.0.1:*", "10", "0"},
		{"inproc_lat", "ten", "10"},
	} {
		start(t, nil, append([]string{"bench"}, args...)...).wantExit(2)
	}
}
