package survey

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is a Go file that was found.
type File struct {
	Path string // relative to the root
	Size int64  // in bytes, when it was found
}

// Find returns the Go files below root, largest first: whoever shares them out comes out even at the end. Whatever is called
// *.go and is not a directory counts. Symbolic links to directories are not followed, except where root is one itself, so
// that no loop can catch it. The same tree gives the same order.
//
// A directory that cannot be read is left out and reported among the problems; err is for a root that cannot be read.
func Find(root string) (files []File, problems []error, err error) {
	root, err = filepath.EvalSymlinks(root)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.ReadDir(root); err != nil {
		return nil, nil, err
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			problems = append(problems, err)
			return nil
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		f := File{}
		if info, err := d.Info(); err == nil {
			f.Size = info.Size()
		}
		f.Path, err = filepath.Rel(root, path)
		files = append(files, f)
		return err
	})
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Compare(b.Size, a.Size) })
	return files, problems, err
}
