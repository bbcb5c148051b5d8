package zmq_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// The tests whose names begin with TestCase_ are named after libzmq's own, whose behaviour they ask of this engine.
// docs/acceptance.md has them in a table, which TestAcceptanceTable holds against the code.

const (
	casePrefix = "TestCase_"
	caseTable  = "../docs/acceptance.md"
)

// on runs a case over the carriers, a list with spaces between. Each gets an endpoint to bind.
func on(t *testing.T, carriers string, test func(t *testing.T, endpoint string)) {
	t.Helper()
	all := endpoints(t)
	for _, carrier := range strings.Fields(carriers) {
		endpoint, ok := all[carrier]
		if !ok {
			t.Fatalf("there is no carrier %q", carrier)
		}
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			test(t, endpoint)
		})
	}
}

// every is all carriers.
const every = "tcp ipc inproc"

// The table has a row for each test of a case, with the carriers that it runs over, and no other.
func TestAcceptanceTable(t *testing.T) {
	t.Parallel()
	tested, documented := testedCases(t), documentedCases(t)
	for _, name := range slices.Sorted(maps.Keys(tested)) {
		switch carriers, ok := documented[name]; {
		case !ok:
			t.Errorf("%s: the table lacks the case %s", caseTable, name)
		case carriers != tested[name]:
			t.Errorf("%s: %s is said to run over %q, and runs over %q", caseTable, name, carriers, tested[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if _, ok := tested[name]; !ok {
			t.Errorf("%s: there is no test %s%s", caseTable, casePrefix, name)
		}
	}
}

// testedCases are the cases for which there is a test, and the carriers that it runs over.
func testedCases(t *testing.T) map[string]string {
	t.Helper()
	cases := map[string]string{}
	for _, file := range must(filepath.Glob("*_test.go"))(t) {
		for _, decl := range must(parser.ParseFile(token.NewFileSet(), file, nil, 0))(t).Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil {
				continue
			}
			if name, ok := strings.CutPrefix(f.Name.Name, casePrefix); ok {
				cases[name] = carriersOf(t, f)
			}
		}
	}
	return cases
}

// carriersOf are the carriers that a test names in its calls of on.
func carriersOf(t *testing.T, f *ast.FuncDecl) string {
	t.Helper()
	var carriers []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 {
			return true
		}
		if fn, ok := call.Fun.(*ast.Ident); !ok || fn.Name != "on" {
			return true
		}
		list := every
		if lit, ok := call.Args[1].(*ast.BasicLit); ok {
			list = must(strconv.Unquote(lit.Value))(t)
		}
		carriers = append(carriers, strings.Fields(list)...)
		return true
	})
	if len(carriers) == 0 {
		return "none"
	}
	ordered := slices.DeleteFunc(strings.Fields(every), func(c string) bool { return !slices.Contains(carriers, c) })
	return strings.Join(ordered, ", ")
}

// documentedCases are the cases in the table whose result begins with "passes", and their carriers.
func documentedCases(t *testing.T) map[string]string {
	t.Helper()
	cases := map[string]string{}
	for line := range strings.Lines(string(must(os.ReadFile(caseTable))(t))) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 {
			continue
		}
		name, carriers, result := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
		if strings.HasPrefix(result, "passes") {
			cases[name] = carriers
		}
	}
	if len(cases) == 0 {
		t.Fatalf("%s has no table", caseTable)
	}
	return cases
}

// open makes a socket that is closed when the test ends.
func open[S socket](t testing.TB, newSocket func(zmq.Config) (S, error), cfg zmq.Config) S {
	t.Helper()
	s := must(newSocket(cfg))(t)
	closing(t, s)
	return s
}

// exchanger is a socket that receives and sends.
type exchanger interface {
	socket
	Recv(ctx context.Context) (zmq.Message, error)
	Send(ctx context.Context, frames ...[]byte) error
}

var (
	_ exchanger = (*zmq.Req)(nil)
	_ exchanger = (*zmq.Rep)(nil)
	_ exchanger = (*zmq.Dealer)(nil)
	_ exchanger = (*zmq.Router)(nil)
	_ exchanger = (*zmq.Pair)(nil)
	_ exchanger = (*zmq.XPub)(nil)
	_ exchanger = (*zmq.XSub)(nil)
)

// impatient is a context that ends when somebody begins to wait for that, or a while later: however slow the machine is, a
// call takes what is there first.
type impatient struct {
	context.Context
	patience time.Duration
	ended    chan struct{}
	wait     sync.Once
}

// now returns a context for one call that does not wait.
func now() context.Context {
	return &impatient{Context: context.Background(), ended: make(chan struct{})}
}

// shortly returns a context for a call that is to wait, and to fail for that reason.
func shortly() context.Context {
	return &impatient{Context: context.Background(), patience: 20 * time.Millisecond, ended: make(chan struct{})}
}

func (c *impatient) Done() <-chan struct{} {
	c.wait.Do(func() {
		if c.patience == 0 {
			close(c.ended)
		} else {
			time.AfterFunc(c.patience, func() { close(c.ended) })
		}
	})
	return c.ended
}

func (c *impatient) Err() error {
	select {
	case <-c.ended:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// nothing fails the test if a socket has a message. What could bring one must have come about before.
func nothing(t testing.TB, sockets ...receiver) {
	t.Helper()
	for _, s := range sockets {
		if m, err := s.Recv(now()); err == nil {
			t.Fatalf("%T received %q, want nothing", s, text(m))
		}
	}
}

// bounce sends messages there and back.
func bounce(t testing.TB, a, b exchanger) {
	t.Helper()
	for i := range 3 {
		send(t, a, "there", fmt.Sprint(i))
		expect(t, b, fmt.Sprint("there|", i))
		send(t, b, "back", fmt.Sprint(i))
		expect(t, a, fmt.Sprint("back|", i))
	}
}

// peers waits until a socket has exactly n peers.
func peers(t testing.TB, s socket, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T has %d peers", s, n), func() bool { return s.Stats().Peers == n })
}

// fills sends messages that begin with their number, until one would have to wait, and returns how many were accepted.
func fills(t testing.TB, s sender, before []string, size int) (sent int) {
	t.Helper()
	body := make([]byte, size)
	for {
		err := s.Send(now(), append(encode(before), fmt.Append(nil, sent), body)...)
		if err != nil {
			return sent
		}
		sent++
	}
}
