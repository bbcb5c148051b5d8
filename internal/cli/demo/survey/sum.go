package survey

import (
	"cmp"
	"path"
	"path/filepath"
	"slices"
)

// Top is how many of the longest functions are kept.
const Top = 10

// Sum adds up the facts of files. The zero Sum is empty and ready for use, by one goroutine at a time.
type Sum struct {
	counts   Counts
	packages map[string]*Package
	imports  map[string]int
	longest  []Place
	failures []Failure
}

// Totals is what the files hold together, in an order that does not depend on the order of adding.
type Totals struct {
	Counts
	Packages         []Package `json:"packages"`          // most lines first
	LongestFunctions []Place   `json:"longest_functions"` // at most Top, longest first
	Imports          []Import  `json:"imports"`           // most imported first
	Failures         []Failure `json:"failures"`          // by path
}

// Counts are the plain sums.
type Counts struct {
	Files     int `json:"files"`  // all of them
	Failed    int `json:"failed"` // those that could not be read or parsed; they count in no other sum
	Lines     int `json:"lines"`
	Functions int `json:"functions"`
	Imports   int `json:"import_declarations"`
}

// Package is one directory's part.
type Package struct {
	Path      string `json:"path"` // of the directory, with slashes
	Files     int    `json:"files"`
	Lines     int    `json:"lines"`
	Functions int    `json:"functions"`
}

// Place is a function and the file that it is in.
type Place struct {
	Path string `json:"path"`
	Function
}

// Import is an imported path and the number of files that import it.
type Import struct {
	Path  string `json:"path"`
	Files int    `json:"files"`
}

// Failure is a file that could not be read or parsed.
type Failure struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// Add adds the facts of the file at a path as Find returns them.
func (s *Sum) Add(file string, f Facts) {
	file = Display(file)
	s.counts.Files++
	if f.Error != "" {
		s.counts.Failed++
		s.failures = append(s.failures, Failure{Path: file, Error: f.Error})
		return
	}
	s.counts.Lines += f.Lines
	s.counts.Functions += f.Functions
	s.counts.Imports += len(f.Imports)
	s.addPackage(path.Dir(file), f)
	s.addLongest(Place{Path: file, Function: f.Longest})
	s.addImports(f.Imports)
}

func (s *Sum) addPackage(dir string, f Facts) {
	if s.packages == nil {
		s.packages = make(map[string]*Package)
	}
	p := s.packages[dir]
	if p == nil {
		p = &Package{Path: dir}
		s.packages[dir] = p
	}
	p.Files++
	p.Lines += f.Lines
	p.Functions += f.Functions
}

func (s *Sum) addLongest(p Place) {
	if p.Lines == 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(s.longest, p, comparePlaces)
	if s.longest = slices.Insert(s.longest, at, p); len(s.longest) > Top {
		s.longest = s.longest[:Top]
	}
}

// addImports counts each path once for a file, however often the file imports it.
func (s *Sum) addImports(paths []string) {
	if s.imports == nil {
		s.imports = make(map[string]int)
	}
	for i, p := range paths {
		if !slices.Contains(paths[:i], p) {
			s.imports[p]++
		}
	}
}

// Totals returns the sums so far.
func (s *Sum) Totals() Totals {
	t := Totals{
		Counts:           s.counts,
		Packages:         make([]Package, 0, len(s.packages)),
		LongestFunctions: append([]Place{}, s.longest...),
		Imports:          make([]Import, 0, len(s.imports)),
		Failures:         append([]Failure{}, s.failures...),
	}
	for _, p := range s.packages {
		t.Packages = append(t.Packages, *p)
	}
	for p, n := range s.imports {
		t.Imports = append(t.Imports, Import{Path: p, Files: n})
	}
	slices.SortFunc(t.Packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.Path, b.Path))
	})
	slices.SortFunc(t.Imports, func(a, b Import) int {
		return cmp.Or(cmp.Compare(b.Files, a.Files), cmp.Compare(a.Path, b.Path))
	})
	slices.SortFunc(t.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Error, b.Error))
	})
	return t
}

func comparePlaces(a, b Place) int {
	return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line))
}

// Display is a path as people and JSON get it: with slashes, and U+FFFD in place of what is not UTF-8.
func Display(file string) string { return clean(filepath.ToSlash(file)) }
