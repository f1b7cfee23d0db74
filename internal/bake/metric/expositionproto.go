package metric

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/bakegate/bakegate/internal/clean"
)

// maxProtoMetric is the size of one metric of a family, all its labels and buckets, in bytes. Decoded it is many times larger.
const maxProtoMetric = 1 << 20

// readProtobuf reads families of metrics, each behind its length. A family is taken apart metric by metric, so that no more than one is
// decoded at a time.
func readProtobuf(r io.Reader, each func(exposed) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		size, err := binary.ReadUvarint(in)
		switch {
		case err == io.EOF:
			return nil
		case err != nil && (isTooLarge(err) || errors.Is(err, io.ErrUnexpectedEOF)):
			return err
		case err != nil:
			return troublef(BadQuery, "family %d is not Prometheus protobuf: %w", n, err)
		case size > scrapeBody:
			return troublef(BadQuery, "family %d is not Prometheus protobuf: it says that it is %d bytes long, want at most %d", n, size, scrapeBody)
		}
		// as it arrives: a length is only a promise
		family, err := io.ReadAll(io.LimitReader(in, int64(size)))
		if err == nil && uint64(len(family)) < size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if err := readFamily(family, each); err != nil {
			return fmt.Errorf("family %d: %w", n, err)
		}
	}
}

// Fields of io.prometheus.client.MetricFamily.
const (
	familyName   protowire.Number = 1
	familyType   protowire.Number = 3
	familyMetric protowire.Number = 4
)

// readFamily walks over a family twice: its name and type may stand behind its metrics.
func readFamily(b []byte, each func(exposed) error) error {
	f := family{kind: dto.MetricType_COUNTER} // the schema's own default
	err := fields(b, func(n protowire.Number, kind protowire.Type, v []byte) error {
		switch {
		case n == familyName && kind == protowire.BytesType:
			f.name = string(v)
		case n == familyType && kind == protowire.VarintType:
			x, _ := protowire.ConsumeVarint(v)
			f.kind = dto.MetricType(x)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !model.UTF8Validation.IsValidMetricName(f.name) {
		return troublef(BadQuery, "%q is no name of a metric", clean.Cut(f.name, 100))
	}
	return fields(b, func(n protowire.Number, kind protowire.Type, v []byte) error {
		if n != familyMetric || kind != protowire.BytesType {
			return nil
		}
		if len(v) > maxProtoMetric {
			return troublef(TooMany, "a metric of %s has %d bytes, want at most %d", clean.Cut(f.name, 100), len(v), maxProtoMetric)
		}
		var m dto.Metric
		if err := proto.Unmarshal(v, &m); err != nil {
			return troublef(BadQuery, "a metric of %s is not Prometheus protobuf: %w", clean.Cut(f.name, 100), err)
		}
		return f.samples(&m, each)
	})
}

// fields calls each with the fields of a message: the bytes of a string or message, or a number as it is encoded.
func fields(b []byte, each func(protowire.Number, protowire.Type, []byte) error) error {
	for len(b) > 0 {
		n, kind, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			return troublef(BadQuery, "it is not Prometheus protobuf: %w", protowire.ParseError(tag))
		}
		b = b[tag:]
		size := protowire.ConsumeFieldValue(n, kind, b)
		if size < 0 {
			return troublef(BadQuery, "it is not Prometheus protobuf: %w", protowire.ParseError(size))
		}
		v := b[:size]
		if kind == protowire.BytesType {
			v, _ = protowire.ConsumeBytes(v)
		}
		if err := each(n, kind, v); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// family is what all metrics of a family share.
type family struct {
	name string
	kind dto.MetricType
}

// samples gives the samples of one metric as the text formats write them, and native histograms beside.
func (f family) samples(m *dto.Metric, each func(exposed) error) error {
	one := func(suffix string, v float64) error {
		return each(exposed{name: f.name + suffix, labels: exposedLabels(m), v: v, began: beganAt(m)})
	}
	switch f.kind {
	case dto.MetricType_COUNTER:
		return one("", m.GetCounter().GetValue())
	case dto.MetricType_GAUGE:
		return one("", m.GetGauge().GetValue())
	case dto.MetricType_UNTYPED:
		return one("", m.GetUntyped().GetValue())
	case dto.MetricType_SUMMARY:
		return f.summary(m, one, each)
	case dto.MetricType_HISTOGRAM:
		return f.histogram(m, one, each)
	}
	return nil // a gauge histogram goes up and down: there is nothing to count
}

// beganAt is when a metric began to count, in seconds; 0: it does not say.
func beganAt(m *dto.Metric) float64 {
	t := m.GetCounter().GetCreatedTimestamp()
	if h := m.GetHistogram(); h != nil {
		t = h.GetCreatedTimestamp()
	}
	if t.CheckValid() != nil {
		return 0
	}
	return float64(t.GetSeconds()) + float64(t.GetNanos())/1e9
}

func (f family) summary(m *dto.Metric, one func(string, float64) error, each func(exposed) error) error {
	s := m.GetSummary()
	for _, q := range s.GetQuantile() {
		labels := exposedLabels(m)
		labels[model.QuantileLabel] = boundText(q.GetQuantile())
		if err := each(exposed{name: f.name, labels: labels, v: q.GetValue()}); err != nil {
			return err
		}
	}
	return errors.Join(one("_sum", s.GetSampleSum()), one("_count", float64(s.GetSampleCount())))
}

func (f family) histogram(m *dto.Metric, one func(string, float64) error, each func(exposed) error) error {
	h := m.GetHistogram()
	count := math.Max(float64(h.GetSampleCount()), h.GetSampleCountFloat())
	native := isNative(h)
	if native {
		x, err := nativeOf(h)
		if err != nil {
			return troublef(BadQuery, "%s is no native histogram that can be read: %w", clean.Cut(f.name, 100), err)
		}
		if err := each(exposed{name: f.name, labels: exposedLabels(m), v: x.Count(), native: x, began: beganAt(m)}); err != nil {
			return err
		}
	}
	if len(h.GetBucket()) > 0 || !native {
		if err := f.buckets(m, count, each); err != nil {
			return err
		}
	}
	return errors.Join(one("_sum", h.GetSampleSum()), one("_count", count))
}

// buckets gives the classic buckets; that of +Inf may be left out on the wire.
func (f family) buckets(m *dto.Metric, count float64, each func(exposed) error) error {
	last := math.Inf(-1)
	add := func(bound, n float64) error {
		labels := exposedLabels(m)
		labels[model.BucketLabel] = boundText(bound)
		last = bound
		return each(exposed{name: f.name + "_bucket", labels: labels, v: n, began: beganAt(m)})
	}
	for _, b := range m.GetHistogram().GetBucket() {
		if err := add(b.GetUpperBound(), math.Max(float64(b.GetCumulativeCount()), b.GetCumulativeCountFloat())); err != nil {
			return err
		}
	}
	if math.IsInf(last, 1) {
		return nil
	}
	return add(math.Inf(1), count)
}

// isNative reports whether a histogram has a native part: one without any observation has an empty span to say so.
func isNative(h *dto.Histogram) bool {
	return len(h.GetPositiveSpan()) > 0 || len(h.GetNegativeSpan()) > 0 || h.GetZeroThreshold() > 0 || h.GetZeroCount() > 0 || h.GetZeroCountFloat() > 0
}

// nativeOf reads the native part. Its buckets are those between two powers of a base, which its schema names.
func nativeOf(h *dto.Histogram) (*NativeHistogram, error) {
	if s := h.GetSchema(); s < -4 || s > 8 {
		return nil, fmt.Errorf("its schema is %d, want -4 to 8", s)
	}
	zero := math.Max(float64(h.GetZeroCount()), h.GetZeroCountFloat())
	all := []NativeBucket{{math.Inf(-1), math.Abs(h.GetZeroThreshold()), zero}}
	below, err := spread(h.GetNegativeSpan(), h.GetNegativeDelta(), h.GetNegativeCount())
	if err != nil {
		return nil, err
	}
	for _, n := range below {
		all = append(all, NativeBucket{math.Inf(-1), 0, n})
	}
	above, err := spread(h.GetPositiveSpan(), h.GetPositiveDelta(), h.GetPositiveCount())
	if err != nil {
		return nil, err
	}
	width := math.Ldexp(1, -int(h.GetSchema())) // of a bucket, in powers of 2
	for i, n := range above {
		all = append(all, NativeBucket{math.Exp2((float64(i) - 1) * width), math.Exp2(float64(i) * width), n})
	}
	return newNative(all)
}

// spread gives each bucket its place: spans say how many places are left out, and how many buckets follow. Counts are either the
// differences to the bucket before, or absolute.
func spread(spans []*dto.BucketSpan, deltas []int64, counts []float64) (map[int32]float64, error) {
	if len(deltas) > 0 && len(counts) > 0 {
		return nil, errors.New("its buckets have counts and differences, want one of them")
	}
	n := len(deltas) + len(counts)
	if n > maxNativeBuckets {
		return nil, fmt.Errorf("it has %d buckets, want at most %d", n, maxNativeBuckets)
	}
	out := make(map[int32]float64, n)
	place, k, sum := int64(0), 0, int64(0)
	for _, s := range spans {
		place += int64(s.GetOffset())
		for range s.GetLength() {
			if k == n || place < math.MinInt32 || place > math.MaxInt32 {
				return nil, fmt.Errorf("its spans hold more than its %d buckets", n)
			}
			if len(counts) > 0 {
				out[int32(place)] = counts[k]
			} else {
				sum += deltas[k]
				out[int32(place)] = float64(sum)
			}
			place++
			k++
		}
	}
	if k != n {
		return nil, fmt.Errorf("its spans hold %d of its %d buckets", k, n)
	}
	return out, nil
}
