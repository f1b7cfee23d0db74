package metric

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/bakegate/bakegate/internal/clean"
)

// elasticReply is the reply of a search. It says in several places that it is not whole.
type elasticReply struct {
	TimedOut bool             `json:"timed_out"`
	Early    bool             `json:"terminated_early"`
	Shards   *elasticShards   `json:"_shards"`
	Clusters *elasticClusters `json:"_clusters"` // where a pattern names other clusters
	Found    *struct {
		Intervals *struct {
			Buckets []elasticInterval `json:"buckets"`
		} `json:"intervals"`
	} `json:"aggregations"`
}

type elasticShards struct {
	Total      int `json:"total"`
	Successful int `json:"successful"` // those that were skipped among them: they hold nothing of the window
	Failed     int `json:"failed"`
	Failures   []struct {
		Index  string `json:"index"`
		Reason struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"reason"`
	} `json:"failures"`
}

type elasticClusters struct {
	Total   int `json:"total"`
	Skipped int `json:"skipped"`
	Partial int `json:"partial"`
	Failed  int `json:"failed"`
	Running int `json:"running"`
}

// elasticInterval is one interval, by its beginning.
type elasticInterval struct {
	Key   elasticNumber `json:"key"`
	Count elasticNumber `json:"doc_count"`
	Of    struct {
		Value   elasticNumber `json:"value"`
		Values  []struct{ Value elasticNumber }
		Buckets []struct {
			Count elasticNumber `json:"doc_count"`
		} `json:"buckets"`
	} `json:"of"`
}

// elasticNumber is a number that may be missing: null is no data, and never 0. Older versions write what is no number as a text.
type elasticNumber struct {
	v  float64
	ok bool
}

// UnmarshalJSON takes a number.
func (n *elasticNumber) UnmarshalJSON(b []byte) error {
	if s := string(b); s == "null" || s == `"NaN"` || s == `"Infinity"` || s == `"-Infinity"` {
		return nil
	}
	n.ok = true
	return json.Unmarshal(b, &n.v)
}

// whole refuses a reply of which a part is missing, or that no index gave.
func (r *elasticReply) whole(where, index string, redact func(string) string) error {
	if c := r.Clusters; c != nil && c.Skipped+c.Partial+c.Failed+c.Running > 0 {
		return troublef(Truncated, "%s: the reply is not whole: of %d clusters %d were skipped, %d failed, and %d did not answer in full", where, c.Total, c.Skipped, c.Failed, c.Partial+c.Running)
	}
	s := r.Shards
	switch {
	case s == nil:
		return troublef(BackendDown, "%s: got no _shards, want the reply of a search", where)
	case r.TimedOut:
		return troublef(Truncated, "%s: the reply is not whole: timed_out, the search took longer than the cluster allows", where)
	case r.Early:
		return troublef(Truncated, "%s: the reply is not whole: terminated_early, the search stopped before it saw all documents", where)
	case s.Failed > 0 || s.Successful < s.Total:
		why := ""
		if len(s.Failures) > 0 {
			f := s.Failures[0]
			why = ": " + clean.Cut(f.Index, 100) + ": " + clean.Cut(f.Reason.Type, 60) + ": " + clean.Cut(redact(f.Reason.Reason), 300)
		}
		return troublef(Truncated, "%s: the reply is not whole: %d of %d shards answered, %d failed%s", where, s.Successful, s.Total, s.Failed, why)
	case s.Total == 0:
		return troublef(BadQuery, "%s: no index matches %s", where, clean.Cut(index, 100))
	case r.Found == nil || r.Found.Intervals == nil:
		return troublef(BackendDown, "%s: got no intervals, want those of the aggregation", where)
	}
	return nil
}

// gather takes the intervals of a window, all of which must be there. A point stands at the end of its interval.
func (e *elasticsearch) gather(q elasticQuery, r elasticReply, w window, length int64, acc *accumulator) error {
	found := map[int64]elasticInterval{}
	for _, b := range r.Found.Intervals.Buckets {
		if b.Key.ok && math.Abs(b.Key.v) < 1e15 {
			found[int64(b.Key.v)] = b
		}
	}
	points := make([][]sample, 1)
	if q.kind == Histogram {
		points = make([][]sample, len(e.bounds))
	}
	for at := w.from; at < w.to; at += length {
		b, ok := found[at]
		if !ok {
			return troublef(Truncated, "the reply is not whole: it has no interval that begins at %s, want one every %s", time.UnixMilli(at).UTC().Format(time.RFC3339), time.Duration(length)*time.Millisecond)
		}
		values, err := q.values(b, len(points))
		if err != nil {
			return err
		}
		for i, v := range values {
			if v.ok {
				points[i] = append(points[i], sample{at + length - 1, v.v}) // within the interval, at its end
			}
		}
	}
	for i := range points {
		if err := acc.add(q.labels(e.bounds, i), points[i]); err != nil {
			return err
		}
	}
	return nil
}

// values are what was wanted of an interval: one, or one a bucket. Where no document is there are no numbers of any, but their count is 0.
func (q elasticQuery) values(b elasticInterval, n int) ([]elasticNumber, error) {
	switch {
	case q.kind == Histogram:
		if len(b.Of.Buckets) != n {
			return nil, troublef(BackendDown, "got %d buckets of an interval, want %d", len(b.Of.Buckets), n)
		}
		out := make([]elasticNumber, n)
		for i, bucket := range b.Of.Buckets {
			out[i] = bucket.Count
		}
		return out, nil
	case q.function == "":
		return []elasticNumber{b.Count}, nil
	}
	v := b.Of.Value
	if len(b.Of.Values) == 1 {
		v = b.Of.Values[0].Value
	}
	v.ok = v.ok && (b.Count.v > 0 || q.kind == Counter)
	v.v /= q.unit
	return []elasticNumber{v}, nil
}

// labels are those of the i-th series.
func (q elasticQuery) labels(bounds []float64, i int) map[string]string {
	if q.kind != Histogram {
		return nil
	}
	return map[string]string{"__name__": q.field, "le": strconv.FormatFloat(bounds[i], 'g', -1, 64)}
}
