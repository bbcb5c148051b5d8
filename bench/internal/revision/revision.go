// Package revision builds this module's program against the project's engine at another git
// revision, so that both can be measured side by side: the roles and the workloads are those of the
// working tree, only the engine differs.
package revision

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Program is what Build has made.
type Program struct {
	Path   string
	Commit string // the revision's abbreviated hash

	dir string
}

// Remove deletes the program and all that it was built from.
func (p Program) Remove() error { return os.RemoveAll(p.dir) }

// ErrIncompatible is in the error of a revision against which this module does not compile.
var ErrIncompatible = errors.New("the bench module of the working tree does not compile against that revision, " +
	"probably since the engine's API has changed in between; compare with a later one")

// Present builds the program of the repository's working tree, in the way of Build: a program that
// go run has made is not comparable, since it is linked differently.
func Present(ctx context.Context, repository string) (Program, error) {
	root, err := git(ctx, repository, "rev-parse", "--show-toplevel")
	if err != nil {
		return Program{}, err
	}
	p, err := newProgram("")
	if err != nil {
		return Program{}, err
	}
	if err := p.compile(ctx, root, "-mod=readonly"); err != nil {
		return Program{}, errors.Join(fmt.Errorf("revision: build the present program: %w", err), p.Remove())
	}
	return p, nil
}

func newProgram(commit string) (Program, error) {
	dir, err := os.MkdirTemp("", "bench-compared-")
	if err != nil {
		return Program{}, fmt.Errorf("revision: make a folder: %w", err)
	}
	return Program{Path: filepath.Join(dir, "bench"), Commit: commit, dir: dir}, nil
}

// module is the folder of this module in the repository.
const module = "bench"

// Build builds the program against a revision of the repository of which repository is a folder.
// The caller calls Remove in the end. The repository itself is not changed.
func Build(ctx context.Context, repository, rev string) (Program, error) {
	root, err := git(ctx, repository, "rev-parse", "--show-toplevel")
	if err != nil {
		return Program{}, err
	}
	commit, err := git(ctx, root, "rev-parse", "--short", "--verify", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return Program{}, fmt.Errorf("%w (there is no commit %q)", err, rev)
	}
	p, err := newProgram(commit)
	if err != nil {
		return Program{}, err
	}
	if err := p.build(ctx, root); err != nil {
		return Program{}, errors.Join(fmt.Errorf("revision %s: %w", rev, err), p.Remove())
	}
	return p, nil
}

// build unpacks the revision, lays the present module over it, and compiles that.
func (p Program) build(ctx context.Context, root string) error {
	tree := filepath.Join(p.dir, "tree")
	if err := unpack(ctx, root, p.Commit, tree); err != nil {
		return err
	}
	if err := overlay(ctx, root, tree); err != nil {
		return err
	}
	err := p.compile(ctx, tree, "-mod=mod") // the revision may need other versions of libraries
	if exit, ok := errors.AsType[*buildError](err); ok {
		return fmt.Errorf("%w\n%w", ErrIncompatible, exit)
	}
	return err
}

// buildError is what the compiler said.
type buildError struct{ text string }

func (e *buildError) Error() string { return e.text }

// compile builds the module in a tree of the project.
func (p Program) compile(ctx context.Context, tree, mod string) error {
	build := exec.CommandContext(ctx, "go", "build", mod, "-trimpath", "-buildvcs=false", "-o", p.Path, ".")
	build.Dir = filepath.Join(tree, module)
	out, err := build.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		return &buildError{string(out)}
	}
	return err
}

// unpack writes the files of a commit, this module apart, into a folder.
func unpack(ctx context.Context, root, commit, dir string) error {
	archive, err := run(ctx, root, "archive", "--format=tar", commit, "--", ".", ":(exclude)"+module)
	if err != nil {
		return err
	}
	for files := tar.NewReader(bytes.NewReader(archive)); ; {
		file, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if file.Typeflag != tar.TypeReg { // folders are made with their files, links are of no use to the compiler
			continue
		}
		if err := write(filepath.Join(dir, filepath.FromSlash(file.Name)), files); err != nil {
			return err
		}
	}
}

// overlay copies this module as it is in the working tree, changes and new files included.
func overlay(ctx context.Context, root, dir string) error {
	names, err := run(ctx, root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", module)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.Trim(string(names), "\x00"), "\x00") {
		name = filepath.FromSlash(name)
		file, err := os.Open(filepath.Join(root, name))
		if errors.Is(err, os.ErrNotExist) { // deleted, and not committed yet
			continue
		}
		if err != nil {
			return err
		}
		err = errors.Join(write(filepath.Join(dir, name), file), file.Close())
		if err != nil {
			return err
		}
	}
	return nil
}

func write(path string, from io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	to, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// git returns the one line that a git command prints.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := run(ctx, dir, args...)
	return strings.TrimSpace(string(out)), err
}

func run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("revision: git %s: %w: %s", args[0], err, bytes.TrimSpace(problem.Bytes()))
	}
	return out, nil
}
