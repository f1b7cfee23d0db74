package main

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every regular expression that is compiled when it is first used compiles.
func TestLazyRegexps(t *testing.T) {
	found := 0
	err := filepath.WalkDir("internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isLazy(call.Fun) {
				return true
			}
			found++
			text, ok := textOf(call.Args[0])
			if !ok {
				t.Errorf("%s: want literals and strings.Join of them, so that this test can compile it", set.Position(call.Pos()))
			} else if _, err := regexp.Compile(text); err != nil {
				t.Errorf("%s: %v", set.Position(call.Pos()), err)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 50 {
		t.Errorf("found %d of them: does this test still look in the right place?", found)
	}
}

func isLazy(f ast.Expr) bool {
	s, ok := f.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "New" {
		return false
	}
	p, ok := s.X.(*ast.Ident)
	return ok && p.Name == "lazyregexp"
}

// textOf evaluates literals, their concatenation, and strings.Join of a list of them.
func textOf(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		v := constant.MakeFromLiteral(e.Value, e.Kind, 0)
		return constant.StringVal(v), v.Kind() == constant.String
	case *ast.ParenExpr:
		return textOf(e.X)
	case *ast.BinaryExpr:
		x, okX := textOf(e.X)
		y, okY := textOf(e.Y)
		return x + y, okX && okY && e.Op == token.ADD
	case *ast.CallExpr:
		list, ok := e.Args[0].(*ast.CompositeLit)
		if !ok || len(e.Args) != 2 {
			return "", false
		}
		separator, ok := textOf(e.Args[1])
		var parts []string
		for _, item := range list.Elts {
			part, fine := textOf(item)
			parts, ok = append(parts, part), ok && fine
		}
		return strings.Join(parts, separator), ok
	}
	return "", false
}
