package metric

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/proto"
)

const (
	openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
	protobufType    = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

// exposedText reads a page and writes down what is in it.
func exposedText(page io.Reader, contentType string) (map[string]float64, error) {
	got := map[string]float64{}
	err := readExposition(page, contentType, func(x exposed) error {
		key := x.name + fmt.Sprint(x.labels)
		if x.native != nil {
			key += " native"
		}
		got[key] = x.v
		return nil
	})
	return got, err
}

func TestOpenMetrics(t *testing.T) {
	const page = `# TYPE foo counter
# HELP foo with a # in it
foo_total{a="b # c",d="e\"} f"} 17 1520879607.789 # {trace_id="x"} 0.5 1520879606
foo_created{a="b # c",d="e\"} f"} 1520430000.123
# TYPE h histogram
# UNIT h seconds
h_bucket{le="1"} 3 # {trace_id="0}"} 0.9
h_bucket{le="+Inf"} 4
h_count 4	1520879607.789
{"utf.8","x y"="z"} NaN
up 1
# EOF
`
	got, err := exposedText(strings.NewReader(page), openMetricsType)
	want := map[string]float64{
		`foo_totalmap[a:b # c d:e"} f]`: 17, `foo_createdmap[a:b # c d:e"} f]`: 1520430000.123,
		"h_bucketmap[le:1.0]": 3, "h_bucketmap[le:+Inf]": 4, "h_countmap[]": 4, "upmap[]": 1,
	}
	if v := got["utf.8map[x y:z]"]; v == v {
		t.Errorf("got %v, want NaN", v)
	}
	delete(got, "utf.8map[x y:z]")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v, %v\nwant %v", got, err, want)
	}
	for name, c := range map[string]struct {
		page, want string
		trouble    Trouble
	}{
		"no end of line":      {strings.TrimSuffix(page, "\n"), "", ""},
		"cut behind a line":   {strings.TrimSuffix(page, "# EOF\n"), "without # EOF", Truncated},
		"cut within a line":   {page[:len(page)-20], "has no end", Truncated},
		"cut within the end":  {page[:len(page)-3], "has no end", Truncated},
		"cut within a sample": {page[:len(page)-8], "has no end", Truncated},
		"empty":               {"", "without # EOF", Truncated},
		"two pages":           {page + page, "there is more behind it", BadQuery},
		"no sample":           {"hello\n# EOF\n", "line 1 is not Prometheus text", BadQuery},
		"composite":           {"# TYPE h histogram\nh {count:1,sum:2,bucket:[+Inf:1]}\n# EOF\n", "line 2 is not Prometheus text", BadQuery},
	} {
		_, err := exposedText(strings.NewReader(c.page), openMetricsType)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || queryTrouble(err) != c.trouble) {
			t.Errorf("%s: got %v, want %s: %s", name, err, c.trouble, c.want)
		}
	}
}

// queryTrouble is the class that a page's error has.
func queryTrouble(err error) Trouble {
	return queryError("q", pageReadTrouble(err)).(*QueryError).Trouble
}

// registry has one of each type.
func exampleRegistry(t testing.TB) *client.Registry {
	t.Helper()
	r := client.NewRegistry()
	c := client.NewCounterVec(client.CounterOpts{Name: "requests_total", Help: "x"}, []string{"code"})
	g := client.NewGauge(client.GaugeOpts{Name: "temperature", Help: "x"})
	h := client.NewHistogram(client.HistogramOpts{Name: "seconds", Help: "x", Buckets: []float64{0.1, 1, 10}})
	n := client.NewHistogram(client.HistogramOpts{Name: "native_seconds", Help: "x", NativeHistogramBucketFactor: 1.1})
	b := client.NewHistogram(client.HistogramOpts{Name: "both_seconds", Help: "x", NativeHistogramBucketFactor: 1.1, Buckets: []float64{1}})
	s := client.NewSummary(client.SummaryOpts{Name: "summary_seconds", Help: "x", Objectives: map[float64]float64{0.5: 0.05, 1: 0}})
	r.MustRegister(c, g, h, n, b, s)
	c.WithLabelValues("200").Add(7)
	c.WithLabelValues("500\n\"\\").Add(2)
	g.Set(-3.5)
	for i := range 100 {
		for _, o := range []client.Observer{h, n, b, s} {
			o.Observe(float64(i) / 20)
		}
	}
	return r
}

func encoded(t testing.TB, r *client.Registry, format expfmt.Format) []byte {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	if c, ok := enc.(expfmt.Closer); ok {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// The same registry in each format is the same samples, and native ones beside them in protobuf.
func TestFormatsAgree(t *testing.T) {
	r := exampleRegistry(t)
	read := func(format expfmt.FormatType) map[string]float64 {
		got, err := exposedText(bytes.NewReader(encoded(t, r, expfmt.NewFormat(format))), string(expfmt.NewFormat(format)))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	text, om, pb := read(expfmt.TypeTextPlain), read(expfmt.TypeOpenMetrics), read(expfmt.TypeProtoDelim)
	if !reflect.DeepEqual(text, om) {
		t.Errorf("text        %v\nOpenMetrics %v", text, om)
	}
	if pb["native_secondsmap[] native"] != 100 || pb["both_secondsmap[] native"] != 100 {
		t.Errorf("protobuf %v: want 100 events in both native histograms", pb)
	}
	delete(pb, "native_secondsmap[] native")
	delete(pb, "both_secondsmap[] native")
	delete(text, "native_seconds_bucketmap[le:+Inf]") // all that text has of it
	if !reflect.DeepEqual(text, pb) {
		t.Errorf("text     %v\nprotobuf %v", text, pb)
	}
}

func TestNativeOfProtobuf(t *testing.T) {
	var got *NativeHistogram
	err := readExposition(bytes.NewReader(encoded(t, exampleRegistry(t), expfmt.NewFormat(expfmt.TypeProtoDelim))), protobufType, func(x exposed) error {
		if x.name == "native_seconds" {
			got = x.native
			if age := time.Since(time.UnixMilli(int64(x.began * 1000))); age < 0 || age > time.Hour {
				t.Errorf("it began at %v", x.began)
			}
		}
		return nil
	})
	if err != nil || got == nil {
		t.Fatal(got, err)
	}
	wellFormed(t, got.Buckets)
	for _, b := range got.Buckets {
		n := 0.0
		for i := range 100 {
			if v := float64(i) / 20; v > b.Lower && v <= b.Upper*(1+1e-12) {
				n++
			}
		}
		if n != b.N {
			t.Errorf("from %v to %v: got %v events, want %v", b.Lower, b.Upper, b.N, n)
		}
	}
}

func delimited(t testing.TB, fs ...*dto.MetricFamily) []byte {
	t.Helper()
	var out []byte
	for _, f := range fs {
		b, err := proto.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(binary.AppendUvarint(out, uint64(len(b))), b...)
	}
	return out
}

func histogramFamily(h *dto.Histogram) *dto.MetricFamily {
	return &dto.MetricFamily{Name: proto.String("h"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: h}}}
}

func TestProtobufTroubles(t *testing.T) {
	whole := encoded(t, exampleRegistry(t), expfmt.NewFormat(expfmt.TypeProtoDelim))
	span := func(offset int32, length uint32) *dto.BucketSpan {
		return &dto.BucketSpan{Offset: &offset, Length: &length}
	}
	for name, c := range map[string]struct {
		page    []byte
		trouble Trouble
		want    string
	}{
		"empty":                    {nil, "", ""},
		"cut within a family":      {whole[:len(whole)-5], Truncated, "ends too early"},
		"cut within a length":      {append(bytes.Clone(whole), 0x80), Truncated, "ends too early"},
		"a huge length":            {binary.AppendUvarint(nil, 1<<40), BadQuery, "it says that it is 1099511627776 bytes long"},
		"a length that never ends": {bytes.Repeat([]byte{0xff}, 20), BadQuery, "not Prometheus protobuf"},
		"text":                     {[]byte("http_requests_total 12\n"), Truncated, "ends too early"},
		"no family":                {[]byte{3, 0xff, 0xff, 0xff}, BadQuery, "not Prometheus protobuf"},
		"no name":                  {delimited(t, &dto.MetricFamily{Metric: []*dto.Metric{{}}}), BadQuery, "is no name of a metric"},
		"no metric":                {[]byte{7, 0x0a, 1, 'a', 0x22, 2, 0xff, 0xff}, BadQuery, "a metric of a is not"},
		"a metric that is too large": {delimited(t, &dto.MetricFamily{Name: proto.String("a"), Metric: []*dto.Metric{{Label: []*dto.LabelPair{{Name: proto.String("x"), Value: proto.String(strings.Repeat("x", maxProtoMetric))}}}}}),
			TooMany, "a metric of a has"},
		"another schema":       {delimited(t, histogramFamily(&dto.Histogram{Schema: proto.Int32(9), ZeroThreshold: proto.Float64(1)})), BadQuery, "its schema is 9"},
		"spans of too many":    {delimited(t, histogramFamily(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{span(0, math.MaxUint32)}, PositiveDelta: []int64{1}})), BadQuery, "its spans hold more than its 1 buckets"},
		"spans of too few":     {delimited(t, histogramFamily(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{span(0, 1)}, PositiveDelta: []int64{1, 2}})), BadQuery, "its spans hold 1 of its 2 buckets"},
		"spans that run away":  {delimited(t, histogramFamily(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{span(math.MaxInt32, 1), span(9, 1)}, PositiveDelta: []int64{1, 1}})), BadQuery, "its spans hold"},
		"counts that are none": {delimited(t, histogramFamily(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{span(0, 1)}, PositiveDelta: []int64{-1}})), BadQuery, "counts -1 events"},
		"counts that are NaN":  {delimited(t, histogramFamily(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{span(0, 1)}, PositiveCount: []float64{math.NaN()}})), BadQuery, "counts NaN events"},
		"both kinds of counts": {delimited(t, histogramFamily(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{span(0, 1)}, PositiveDelta: []int64{1}, PositiveCount: []float64{1}})), BadQuery, "want one of them"},
		"too many buckets":     {delimited(t, histogramFamily(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{span(0, 6000)}, PositiveDelta: make([]int64, 6000)})), BadQuery, "it has 6000 buckets"},
	} {
		_, err := exposedText(bytes.NewReader(c.page), protobufType)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(pageReadTrouble(err).Error(), c.want) || queryTrouble(err) != c.trouble) {
			t.Errorf("%s: got %v, want %s: %s", name, err, c.trouble, c.want)
		}
	}
}

// What stands where in a family is not said: its name may come last. What is of a later version is passed over.
func TestProtobufShapes(t *testing.T) {
	for name, c := range map[string]struct {
		page []byte
		want map[string]float64
	}{
		"the name last":          {[]byte{11, 0x22, 4, 0x1a, 2, 0x08, 0, 0x18, 0, 0x0a, 1, 'a'}, map[string]float64{"amap[]": 0}},
		"a field of later":       {append([]byte{9, 0xfa, 0x07, 1, 'x'}, 0x0a, 1, 'a', 0x22, 0), map[string]float64{"amap[]": 0}},
		"a gauge histogram":      {delimited(t, &dto.MetricFamily{Name: proto.String("h"), Type: dto.MetricType_GAUGE_HISTOGRAM.Enum(), Metric: []*dto.Metric{{}}}), map[string]float64{}},
		"without any event":      {delimited(t, histogramFamily(&dto.Histogram{PositiveSpan: []*dto.BucketSpan{{}}})), map[string]float64{"hmap[] native": 0, "h_countmap[]": 0, "h_summap[]": 0}},
		"no buckets at all":      {delimited(t, histogramFamily(&dto.Histogram{SampleCount: proto.Uint64(3)})), map[string]float64{"h_bucketmap[le:+Inf]": 3, "h_countmap[]": 3, "h_summap[]": 0}},
		"counts of floats":       {delimited(t, histogramFamily(&dto.Histogram{ZeroThreshold: proto.Float64(0.1), ZeroCountFloat: proto.Float64(2.5)})), map[string]float64{"hmap[] native": 2.5, "h_countmap[]": 0, "h_summap[]": 0}},
		"far beyond all numbers": {delimited(t, histogramFamily(&dto.Histogram{Schema: proto.Int32(-4), PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(math.MaxInt32), Length: proto.Uint32(1)}}, PositiveDelta: []int64{1}})), map[string]float64{"hmap[] native": 1, "h_countmap[]": 0, "h_summap[]": 0}},
	} {
		if got, err := exposedText(bytes.NewReader(c.page), protobufType); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
		}
	}
}

// A selector finds a bound as any of the formats writes it.
func TestBoundsAsWritten(t *testing.T) {
	for value, want := range map[string]string{"1": "1.0", "1.0": "1.0", "0.50": "0.5", "1e3": "1000.0", "1e-7": "1e-07", "+Inf": "+Inf", "Inf": "+Inf", "NaN": "NaN", "fast": "fast", "": ""} {
		if got := spelled(value); got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
	for text, want := range map[string]bool{`{le="1"}`: true, `{le="1.0"}`: true, `{le=~"1|5"}`: true, `{le!="1"}`: false, `{le!~"1"}`: false, `{le!="1.0"}`: false, `{le="2"}`: false, `{a="1"}`: false, `{le!="5"}`: true} {
		w, err := compileWatch(Query{Kind: Counter, Text: "x_bucket" + text}, "a page", values{})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.selects("x_bucket", map[string]string{"le": "1.0"}); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	if m := labels.MustNewMatcher(labels.MatchEqual, "version", "1"); matches(m, "1.0") {
		t.Error("a label that is no bound is what it is")
	}
}

func FuzzOpenMetrics(f *testing.F) {
	f.Add("a_total{b=\"c\"} 1 2 # {d=\"e\"} 3\n# EOF\n")
	f.Add("a 1\n")
	f.Add("{\"utf.8\", a=\"c\\n\"} NaN 17\n\n# EOF")
	f.Fuzz(func(t *testing.T, page string) {
		err := readExposition(strings.NewReader(page), openMetricsType, func(x exposed) error {
			if x.name == "" {
				t.Error("a sample without a name")
			}
			return nil
		})
		if lines := strings.TrimRight(page, "\n"); err == nil && !strings.HasSuffix(lines, "# EOF") {
			t.Errorf("a page without an end passed: %q", page)
		}
	})
}

func FuzzProtobuf(f *testing.F) {
	whole := encoded(f, exampleRegistry(f), expfmt.NewFormat(expfmt.TypeProtoDelim))
	f.Add(whole)
	f.Add(whole[:100])
	f.Add(delimited(f, histogramFamily(&dto.Histogram{Schema: proto.Int32(3), ZeroThreshold: proto.Float64(1), NegativeSpan: []*dto.BucketSpan{{Offset: proto.Int32(-3), Length: proto.Uint32(2)}}, NegativeDelta: []int64{1, 2}})))
	f.Fuzz(func(t *testing.T, page []byte) {
		_ = readExposition(bytes.NewReader(page), protobufType, func(x exposed) error {
			if x.name == "" {
				t.Error("a sample without a name")
			}
			if x.native != nil {
				wellFormed(t, x.native.Buckets)
			}
			return nil
		})
	})
}
