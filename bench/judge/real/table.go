package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// isTable says that a file has a row for each five minutes and a column for each gauge of one service, without times and names.
func isTable(name string) bool { return strings.Contains(name, "/test/service") }

// readTable gives a series for each column that moves. A row that is labelled is odd for all of them.
func readTable(name, path string, b []byte) (all []series, err error) {
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // the times are not told
	odd, err := oddRows(filepath.Join(filepath.Dir(path)+"_label", filepath.Base(path)), start)
	if err != nil {
		return nil, err
	}
	for i := range rows[0] {
		s := series{name: fmt.Sprintf("%s#%02d", name, i), odd: odd}
		moves := false
		for k, row := range rows {
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				return nil, fmt.Errorf("row %d, column %d: got %q, want a number", k+1, i+1, row[i])
			}
			s.points = append(s.points, point{at: start.Add(time.Duration(k) * longestStep), value: v})
			moves = moves || v != s.points[0].value
		}
		if s.close(); moves {
			all = append(all, s)
		}
	}
	return all, nil
}

// oddRows are the rows with a 1 in the file of labels.
func oddRows(path string, start time.Time) (odd [][2]time.Time, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for k, line := range strings.Fields(string(b)) {
		if v, err := strconv.ParseFloat(line, 64); err == nil && v > 0 {
			at := start.Add(time.Duration(k) * longestStep)
			odd = append(odd, [2]time.Time{at, at})
		}
	}
	return odd, err
}
