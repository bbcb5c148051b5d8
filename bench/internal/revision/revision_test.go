package revision_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/bench/internal/revision"
)

// repository is a git repository of a project and its bench module.
type repository struct {
	t   *testing.T
	dir string
}

func (r repository) git(args ...string) {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com"}, args...)...)
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func (r repository) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		r.t.Fatal(err)
	}
}

// commit commits everything, under a tag.
func (r repository) commit(tag string) {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "-m", tag)
	r.git("tag", tag)
}

// newRepository has the tags none, one and two of an engine, and changes of the module that are not
// committed.
func newRepository(t *testing.T) repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	r := repository{t, t.TempDir()}
	r.git("init", "-q")
	r.write("go.mod", "module example.com/project\n\ngo 1.26\n")
	r.write("engine/engine.go", "package engine\n")
	r.write("bench/go.mod", "module example.com/project/bench\n\ngo 1.26\n\nreplace example.com/project => ../\n\n"+
		"require example.com/project v0.0.0-00010101000000-000000000000\n")
	r.write("bench/main.go", "package main\n\nfunc main() {}\n")
	r.write("bench/old.go", "package main\n\nfunc init() { old }\n")
	r.commit("none")
	r.write("engine/engine.go", "package engine\n\nconst Name = \"one\"\n")
	r.commit("one")
	r.write("engine/engine.go", "package engine\n\nconst Name = \"two\"\n")
	r.commit("two")
	r.write("bench/main.go", "package main\n\nfunc main() { say() }\n")
	r.write("bench/say.go", "package main\n\nimport \"example.com/project/engine\"\n\nfunc say() { print(\"engine \", engine.Name) }\n")
	if err := os.Remove(filepath.Join(r.dir, "bench", "old.go")); err != nil {
		t.Fatal(err)
	}
	return r
}

// run returns what a program prints, and removes it.
func run(t *testing.T, p revision.Program) string {
	t.Helper()
	out, err := exec.Command(p.Path).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left behind: %v", p.Path, err)
	}
	return string(out)
}

func TestThePresentModuleOfEachRevision(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	for _, rev := range []string{"one", "two"} {
		p, err := revision.Build(t.Context(), filepath.Join(r.dir, "bench"), rev)
		if err != nil {
			t.Fatal(err)
		}
		if got := run(t, p); got != "engine "+rev || p.Commit == "" {
			t.Errorf("%s, commit %q: printed %q", rev, p.Commit, got)
		}
	}
	r.write("engine/engine.go", "package engine\n\nconst Name = \"three\"\n")
	p, err := revision.Present(t.Context(), r.dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, p); got != "engine three" {
		t.Errorf("the present program printed %q", got)
	}
}

func TestRevisionsThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	_, err := revision.Build(t.Context(), r.dir, "none")
	if !errors.Is(err, revision.ErrIncompatible) || !strings.Contains(err.Error(), "engine.Name") {
		t.Errorf("a revision without the engine's API: %v", err)
	}
	if _, err := revision.Build(t.Context(), r.dir, "nosuch"); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("a revision that is not there: %v", err)
	}
	r.write("bench/main.go", "package main\n")
	if _, err := revision.Present(t.Context(), r.dir); err == nil || errors.Is(err, revision.ErrIncompatible) {
		t.Errorf("a module that does not compile: %v", err)
	}
}
