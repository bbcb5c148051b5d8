package survey_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/experimance/experimance-go/internal/cli/demo/survey"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       survey.Facts
	}{
		{"least", "package a", survey.Facts{Lines: 1}},
		{"line end", "package a\n", survey.Facts{Lines: 1}},
		{"blank lines", "\n\npackage a\n\n", survey.Facts{Lines: 4}},
		{"carriage returns", "package a\r\n\r\nfunc f() {\r\n}\r\n", survey.Facts{
			Lines: 4, Functions: 1, Longest: survey.Function{Name: "f", Line: 3, Lines: 2},
		}},
		{"imports", "package a\nimport (\n\"fmt\"\nx `io`\n)\nimport \"fmt\"", survey.Facts{
			Lines: 6, Imports: []string{"fmt", "io", "fmt"},
		}},
		{"methods", "package a\nfunc (T) a() {}\nfunc (t *T[K, V]) b() {\n}\nfunc (t (T[K])) c() {}", survey.Facts{
			Lines: 5, Functions: 3, Longest: survey.Function{Name: "(*T).b", Line: 3, Lines: 2},
		}},
		{"first of the longest", "package a\nfunc a()\nfunc b()", survey.Facts{
			Lines: 3, Functions: 2, Longest: survey.Function{Name: "a", Line: 2, Lines: 1},
		}},
		{"line comments", "package a\n//line y.y:7\nfunc a() {\n//line y.y:90\n}", survey.Facts{
			Lines: 5, Functions: 1, Longest: survey.Function{Name: "a", Line: 3, Lines: 3},
		}},
		{"import that is not UTF-8", "package a\nimport \"a\\xff\"", survey.Facts{Lines: 2, Imports: []string{"a\uFFFD"}}},
		{"empty", "", survey.Facts{Error: "1:1"}},
		{"wrong", "package a\nfunc a() {\n\nfunc\n", survey.Facts{Error: "4:6"}},
		{"not Go", "\x00\x01\xff", survey.Facts{Error: "1:1"}},
		{"deep", "package a\nvar x = " + strings.Repeat("(", 200_000), survey.Facts{Error: "2:100009"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.go")
			writeFile(t, path, tt.text)
			got := survey.Measure(path)
			got.Error, _, _ = strings.Cut(got.Error, ": ") // the position; what follows is the parser's
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMeasureUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none.go"), dir} {
		if f := survey.Measure(path); f.Error == "" || strings.Contains(f.Error, dir) || f.Lines > 0 {
			t.Errorf("Measure(%q) = %+v; want an error that leaves the path out, and nothing else", path, f)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, size := range map[string]int{"b.go": 1, "a.go": 1, "in/large.go": 9, "in/deep/x.go": 3, "dir.go/y.go": 0, "z.txt": 5, "go": 5} {
		writeFile(t, filepath.Join(dir, path), strings.Repeat("x", size))
	}
	want := []string{"in/large.go", "in/deep/x.go", "a.go", "b.go", "dir.go/y.go"}
	if runtime.GOOS != "windows" {
		for _, link := range [][2]string{{".", "loop"}, {"in", "other.go"}, {"..", "in/up"}} {
			if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
				t.Fatal(err)
			}
		}
		want = slices.Insert(want, 2, "other.go") // by its name a file, of two bytes
	}
	files, problems, err := survey.Find(dir)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	var got []string
	for _, f := range files {
		got = append(got, filepath.ToSlash(f.Path))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.go")
	writeFile(t, file, "package a")
	for _, root := range []string{file, file + "x"} {
		if _, _, err := survey.Find(root); err == nil {
			t.Errorf("Find(%q) succeeds", root)
		}
	}
}

// However the files are shared out and in whatever order they come in, the totals are the same.
func TestTotalsDoNotDependOnOrder(t *testing.T) {
	t.Parallel()
	type file struct {
		Path  string
		Facts survey.Facts
	}
	small := rapid.IntRange(0, 3)
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	rapid.Check(t, func(t *rapid.T) {
		n := 0
		files := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) file {
			n++
			f := file{Path: fmt.Sprintf("%s/%d.go", name.Draw(t, "directory"), n)}
			if small.Draw(t, "failed") == 0 {
				f.Facts.Error = name.Draw(t, "error")
				return f
			}
			f.Facts = survey.Facts{
				Lines:     small.Draw(t, "lines"),
				Functions: small.Draw(t, "functions"),
				Longest:   survey.Function{Name: name.Draw(t, "function"), Line: small.Draw(t, "line"), Lines: small.Draw(t, "long")},
				Imports:   rapid.SliceOfN(name, 0, 4).Draw(t, "imports"),
			}
			return f
		}), 0, 40).Draw(t, "files")
		var one, other survey.Sum
		for _, f := range files {
			one.Add(f.Path, f.Facts)
		}
		for _, f := range rapid.Permutation(files).Draw(t, "order") {
			other.Add(f.Path, f.Facts)
		}
		if diff := cmp.Diff(one.Totals(), other.Totals()); diff != "" {
			t.Fatalf("totals differ:\n%s", diff)
		}
		if lf := one.Totals().LongestFunctions; len(lf) > survey.Top {
			t.Fatalf("%d longest functions, want at most %d", len(lf), survey.Top)
		}
	})
}
