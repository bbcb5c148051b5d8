package zmq

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/zmtp"
)

const securityDoc = "../SECURITY.md"

// Every test that SECURITY.md names exists.
func TestSecurityDocNamesTests(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	fatal(t, filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			declared[string(m[1])] = true
		}
		return err
	}))
	text, err := os.ReadFile(securityDoc)
	fatal(t, err)
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(text, -1)
	if len(named) < 20 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !declared[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
}

// The defaults in SECURITY.md are those of the code, and every field of Config that is a limit of
// what peers can do has a row, with a test.
func TestSecurityDocHasDefaults(t *testing.T) {
	t.Parallel()
	code := map[string]int64{
		"zmtp.DefaultMaxCommand": zmtp.DefaultMaxCommand,
		"perByte":                perByte,
		"headStart":              headStart,
		"maxCuts":                maxCuts,
		"maxCut":                 maxCut,
		"maxPongs":               maxPongs,
	}
	limit := regexp.MustCompile(`^Max|HWM|Limit$|^HandshakeTimeout$`)
	defaults := reflect.ValueOf(Config{}.withDefaults())
	for i := range defaults.NumField() {
		if name := defaults.Type().Field(i).Name; limit.MatchString(name) {
			code["Config."+name] = defaults.Field(i).Int()
		}
	}
	text, err := os.ReadFile(securityDoc)
	fatal(t, err)
	row := regexp.MustCompile("(?m)^\\| `([\\w.]+)`[^|]*\\| ([^|]+) \\|[^|]*\\| `Test\\w+`")
	for _, m := range row.FindAllSubmatch(text, -1) {
		name, says := string(m[1]), string(m[2])
		want, known := code[name]
		got, ok := parseQuantity(says)
		if !known || !ok || got != want {
			t.Errorf("%s: the table says %q (%d), the code %d (known: %v)", name, says, got, want, known)
		}
		delete(code, name)
	}
	for name := range code {
		t.Errorf("%s has no row, or no test in it", name)
	}
}

// parseQuantity parses a number with a unit, or without one.
func parseQuantity(s string) (n int64, ok bool) {
	number, unit, _ := strings.Cut(s, " ")
	units := map[string]int64{
		"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "ms": int64(time.Millisecond), "s": int64(time.Second),
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return n * units[unit], err == nil && units[unit] != 0
}
