package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// point is one value of a series, in [at, to).
type point struct {
	at, to time.Time
	value  float64
}

// series is one file of the data set.
type series struct {
	name   string // folder/file, without .csv
	points []point
	step   time.Duration
	odd    [][2]time.Time // labelled as anomalies
}

// longestStep is the coarsest series taken: of an hour's points a bake would see none.
const longestStep = 5 * time.Minute

// load reads every series below dir, in the order of their names. Labels are a file of NAB's, a third column, or a file of JumpStarter's.
func load(dir, only string) (all []series, err error) {
	labels := map[string][][2]string{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name := nameOf(path)
		known := strings.HasSuffix(path, ".csv") && len(readings(name)) > 0 && strings.Contains(name, only)
		if !known && filepath.Base(path) != "combined_windows.json" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !known {
			return json.Unmarshal(b, &labels)
		}
		ss, err := readFile(name, path, b)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, s := range ss {
			if s.step > 0 && s.step <= longestStep {
				all = append(all, s)
			}
		}
		return nil
	})
	for i := range all {
		for _, w := range labels[all[i].name+".csv"] {
			from, to := parseTime(w[0]), parseTime(w[1])
			all[i].odd = append(all[i].odd, [2]time.Time{from, to})
		}
	}
	slices.SortFunc(all, func(a, b series) int { return strings.Compare(a.name, b.name) })
	return all, err
}

// nameOf is what a series is known by: its folder and file, and the folder above where the first is only a part of it.
func nameOf(path string) string {
	name, dir := strings.TrimSuffix(filepath.Base(path), ".csv"), filepath.Dir(path)
	if part := filepath.Base(dir); part == "test" {
		dir = filepath.Dir(dir)
		name = part + "/" + name
	}
	return filepath.Base(dir) + "/" + name
}

func readFile(name, path string, b []byte) ([]series, error) {
	if isTable(name) {
		return readTable(name, path, b)
	}
	s := series{name: name}
	err := s.read(b)
	return []series{s}, err
}

// parseTime gives the zero time for what is none. A fraction of a second is read by both layouts.
func parseTime(text string) time.Time {
	for _, layout := range []string{time.DateTime, time.RFC3339, "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

func (s *series) read(b []byte) error {
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return err
	}
	for i, row := range rows {
		if i == 0 || len(row) < 2 { // the header
			continue
		}
		at := parseTime(row[0])
		v, err := strconv.ParseFloat(row[1], 64)
		if err != nil || at.IsZero() {
			return fmt.Errorf("row %d: got %q, want a time and a number", i+1, row)
		}
		s.points = append(s.points, point{at: at, value: v})
		if len(row) > 2 && row[2] == "1" {
			s.odd = append(s.odd, [2]time.Time{at, at})
		}
	}
	s.close()
	return nil
}

// close ends each point where the next begins, or after the usual step where there is a gap. The hour that a clock went back is dropped.
func (s *series) close() {
	var ds []time.Duration
	kept := s.points[:0]
	for _, p := range s.points {
		if n := len(kept); n == 0 || p.at.After(kept[n-1].at) {
			kept = append(kept, p)
		}
	}
	s.points = kept
	for i := 1; i < len(kept); i++ {
		ds = append(ds, kept[i].at.Sub(kept[i-1].at))
	}
	if len(ds) == 0 {
		return
	}
	slices.Sort(ds)
	s.step = ds[len(ds)/2]
	for i := range kept {
		kept[i].to = kept[i].at.Add(s.step)
		if i+1 < len(kept) && kept[i+1].at.Before(kept[i].to) {
			kept[i].to = kept[i+1].at
		}
	}
}

const historyLength = 24 * time.Hour

// deploy is a moment of a series that is taken for a deploy.
type deploy struct {
	before, after []point
	earlier       []deploy
}

// earlierApart is how far the earlier deploys lie from each other: they meet other hours.
const earlierApart = 29 * time.Hour

// deploys takes at most most moments, at least a window apart, that have a day before them and a whole window after, and no label within.
func (s *series) deploys(window, most, earlier int) (ds []deploy) {
	if len(s.points) == 0 {
		return nil
	}
	stride := max(window, (len(s.points)-int(historyLength/s.step))/most)
	for i := int(historyLength / s.step); i+window <= len(s.points); i += stride {
		d, ok := s.deploy(i, window, historyLength)
		if !ok {
			continue
		}
		for k := 1; k <= earlier; k++ {
			j := s.find(s.points[i].at.Add(-time.Duration(k) * earlierApart))
			if e, ok := s.deploy(j, window, time.Duration(window)*s.step); ok {
				d.earlier = append(d.earlier, e)
			}
		}
		ds = append(ds, d)
	}
	return ds
}

// find is the first point at or after t.
func (s *series) find(t time.Time) int {
	return sort.Search(len(s.points), func(k int) bool { return !s.points[k].at.Before(t) })
}

// deploy is the i-th point as a deploy, if at least half of what should be before it is there, and all of its window, without a label.
func (s *series) deploy(i, window int, history time.Duration) (d deploy, ok bool) {
	if i+window > len(s.points) {
		return d, false
	}
	start := s.points[i].at
	d.before, d.after = s.points[s.find(start.Add(-history)):i], s.points[i:i+window]
	end := d.after[window-1].to
	whole := end.Sub(start) <= time.Duration(window)*s.step*3/2
	return d, len(d.before) >= int(history/s.step)/2 && whole && !s.isOdd(start, end)
}

func (s *series) isOdd(from, to time.Time) bool {
	for _, o := range s.odd {
		if o[0].Before(to) && !o[1].Before(from) {
			return true
		}
	}
	return false
}
