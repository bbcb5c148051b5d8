// Package libzmq has the peer of libzmq: a C program that uses the library as its own perf programs do, compiled when it is
// needed.
package libzmq

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed c/*.c c/*.h
var sources embed.FS

// Build compiles the program with the C compiler that CC names, or gcc, and returns its path. It is kept in the user's
// cache directory under the hash of its source, and not compiled again.
func Build(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "experimance-bench")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("libzmq: keep the C peer: %w", err)
	}
	sum, err := hash()
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, "libzmq-"+sum)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	dir, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", fmt.Errorf("libzmq: compile the C peer: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := compile(ctx, dir); err != nil {
		return "", err
	}
	return program, os.Rename(filepath.Join(dir, "peer"), program)
}

func hash() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(sources, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := sources.ReadFile(path)
		sum.Write(text)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:8]), err
}

// compile makes dir/peer.
func compile(ctx context.Context, dir string) error {
	if err := os.CopyFS(dir, sources); err != nil {
		return fmt.Errorf("libzmq: write the C peer's source: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "c", "*.c"))
	if err != nil {
		return err
	}
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "gcc"
	}
	args := append([]string{"-std=c11", "-D_GNU_SOURCE", "-O2", "-o", filepath.Join(dir, "peer")}, files...)
	out, err := exec.CommandContext(ctx, compiler, append(args, "-lzmq", "-lpthread")...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("libzmq: %s: %w (is libzmq3-dev installed?)\n%s", compiler, err, out)
	}
	if err != nil {
		return fmt.Errorf("libzmq: compile the C peer: %w", err)
	}
	return nil
}

// Version returns the version of libzmq that the program at a path runs with.
func Version(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "version").Output()
	if err != nil {
		return "", fmt.Errorf("libzmq: ask for the version: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
