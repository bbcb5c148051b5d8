package survey

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Facts is what one Go file holds. All strings are UTF-8. Of a file that could not be read or parsed only Error is set.
type Facts struct {
	Lines     int      `json:"lines,omitzero"`
	Functions int      `json:"functions,omitzero"` // function and method declarations
	Longest   Function `json:"longest,omitzero"`   // the first of the longest ones; zero where there is none
	Imports   []string `json:"imports,omitempty"`  // as written, in their order
	Error     string   `json:"error,omitzero"`     // why the file could not be read or parsed
}

// Function is a declared function or method.
type Function struct {
	Name  string `json:"name"`  // with its receiver: "(*Buffer).Write"
	Line  int    `json:"line"`  // where the declaration begins
	Lines int    `json:"lines"` // from there to its end
}

// Measure reads the file once and returns what it holds. It never fails: what is wrong with the file is in Facts.Error.
func Measure(path string) (facts Facts) {
	defer func() {
		if v := recover(); v != nil {
			facts = Facts{Error: fmt.Sprintf("panic: %v", v)}
		}
	}()
	text, err := readFile(path)
	if err != nil {
		return Facts{Error: reason(err)}
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", text, parser.SkipObjectResolution)
	if err != nil {
		return Facts{Error: reason(err)}
	}
	facts.Lines = countLines(text)
	facts.Imports = imports(file)
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok {
			facts.add(function(files, f))
		}
	}
	return facts
}

// Largest is the size in bytes above which a file is not read: what calls itself a Go file may be a device without end.
const Largest = 64 << 20

var errTooLarge = fmt.Errorf("larger than %d MiB", Largest>>20)

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, Largest+1))
	if err == nil && len(text) > Largest {
		err = errTooLarge
	}
	return text, err
}

func (f *Facts) add(fn Function) {
	f.Functions++
	if fn.Lines > f.Longest.Lines {
		f.Longest = fn
	}
}

// reason is the error without the path, which whoever asked knows.
func reason(err error) string {
	var path *fs.PathError
	var list scanner.ErrorList
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &list):
		err = list[0]
	}
	return clean(err.Error())
}

func countLines(text []byte) int {
	n := bytes.Count(text, []byte("\n"))
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return n
}

func imports(file *ast.File) []string {
	var paths []string
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			path = spec.Path.Value
		}
		paths = append(paths, clean(path))
	}
	return paths
}

// function measures a declaration by the lines of the file itself, whatever //line comments say.
func function(files *token.FileSet, f *ast.FuncDecl) Function {
	first := files.PositionFor(f.Pos(), false).Line
	last := files.PositionFor(f.End(), false).Line
	name := f.Name.Name
	if f.Recv != nil && len(f.Recv.List) > 0 {
		name = receiver(f.Recv.List[0].Type) + "." + name
	}
	return Function{Name: clean(name), Line: first, Lines: last - first + 1}
}

// receiver is a receiver's type without its type parameters.
func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return "(*" + receiver(t.X) + ")"
	case *ast.ParenExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	default:
		return "?"
	}
}

// clean makes any text fit for JSON.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
