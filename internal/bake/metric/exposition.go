package metric

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

const (
	expositionLine  = 1 << 20 // bytes of one line
	expositionBatch = 1000    // lines that are parsed at a time: the parser holds all of its input
	expositionLines = 1 << 20
)

// exposed is one sample of an exposition: a histogram's bucket is a sample of its own, NAME_bucket with le.
type exposed struct {
	name   string
	labels map[string]string
	v      float64
	native *NativeHistogram // v is its count
	began  float64          // when it began to count, in seconds since 1970; 0: not known
}

// readExposition reads a page in one of its formats and gives each sample to each.
func readExposition(r io.Reader, contentType string, each func(exposed) error) error {
	switch kind, _, _ := mime.ParseMediaType(contentType); kind {
	case "application/vnd.google.protobuf":
		return readProtobuf(r, each)
	case "application/openmetrics-text":
		return readText(r, true, each)
	}
	return readText(r, false, each)
}

// readText reads the text formats. They are read in batches and without their comments: without TYPE lines every line is a sample as it
// stands, and what is in memory has a bound. OpenMetrics says where it ends: a page without that is cut off.
func readText(r io.Reader, openMetrics bool, each func(exposed) error) error {
	in := lines{r: bufio.NewReaderSize(r, 64<<10), openMetrics: openMetrics}
	for first := 1; first < expositionLines; first += expositionBatch {
		batch, end, err := in.batch(first)
		if err != nil {
			return err
		}
		if err := parseBatch(batch, first, each); err != nil {
			return err
		}
		if end {
			return nil
		}
	}
	return troublef(TooMany, "more than %d lines", expositionLines)
}

// lines are the lines of a page in a text format.
type lines struct {
	r           *bufio.Reader
	openMetrics bool
}

// batch reads some lines, comments emptied so that the lines keep their numbers.
func (l lines) batch(first int) (batch []byte, end bool, err error) {
	for n := range expositionBatch {
		line, err := readLine(l.r)
		switch {
		case l.openMetrics && (err == nil || err == io.EOF) && string(bytes.TrimSuffix(line, []byte{'\n'})) == "# EOF":
			return batch, true, l.over(first + n)
		case err == io.EOF && len(line) == 0 && !l.openMetrics:
			return batch, true, nil
		case err == io.EOF && len(line) == 0:
			return nil, false, troublef(Truncated, "the page ends with line %d, without # EOF: the reply is cut off", first+n-1)
		case err == io.EOF:
			return nil, false, troublef(Truncated, "line %d has no end: the reply is cut off", first+n)
		case err != nil:
			return nil, false, fmt.Errorf("line %d: %w", first+n, err)
		case bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte{'#'}):
			line = []byte{'\n'}
		case l.openMetrics:
			line = sampleAlone(line)
		}
		batch = append(batch, line...)
	}
	return batch, false, nil
}

// over checks that nothing comes behind the end.
func (l lines) over(n int) error {
	switch _, err := l.r.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return troublef(BadQuery, "line %d is # EOF, and there is more behind it: are two pages put together?", n)
	default:
		return err
	}
}

// sampleAlone cuts an OpenMetrics line behind its value: the time and the exemplar are not looked at, and the parser knows neither.
func sampleAlone(line []byte) []byte {
	quoted, braces, fields := false, 0, 0
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			braces++
		case c == '}':
			braces--
		case (c == ' ' || c == '\t') && braces == 0:
			if fields++; fields == 2 {
				return append(line[:i:i], '\n')
			}
		}
	}
	return line
}

func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > expositionLine {
			return nil, troublef(BadQuery, "longer than %d bytes", expositionLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func parseBatch(batch []byte, first int, each func(exposed) error) error {
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(bytes.NewReader(batch))
	var bad expfmt.ParseError
	if errors.As(err, &bad) {
		return troublef(BadQuery, "line %d is not Prometheus text: %s", first+bad.Line-1, bad.Msg)
	}
	if err != nil {
		return troublef(BadQuery, "lines from %d: %w", first, err)
	}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			if err := each(exposed{name: name, labels: exposedLabels(m), v: m.GetUntyped().GetValue()}); err != nil {
				return err
			}
		}
	}
	return nil
}

func exposedLabels(m *dto.Metric) map[string]string {
	labels := make(map[string]string, len(m.GetLabel())+1)
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	for _, name := range bounds {
		if v, ok := labels[name]; ok {
			labels[name] = spelled(v)
		}
	}
	return labels
}

// bounds are the labels whose value is a number, which the formats write in different ways.
var bounds = []string{model.BucketLabel, model.QuantileLabel}

// spelled writes the number of a bound as OpenMetrics does, 1.0 and not 1: the same in every format.
func spelled(value string) string {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return value
	}
	return boundText(n)
}

func boundText(n float64) string {
	s := strconv.FormatFloat(n, 'g', -1, 64)
	if !strings.ContainsAny(s, "eINn.") {
		s += ".0"
	}
	return s
}

// matches is a matcher's answer to a label's value. Those of bounds may be written with or without .0 behind a whole number.
func matches(m *labels.Matcher, value string) bool {
	if !slices.Contains(bounds, m.Name) || !strings.HasSuffix(value, ".0") {
		return m.Matches(value)
	}
	short := m.Matches(strings.TrimSuffix(value, ".0"))
	if m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp {
		return short && m.Matches(value)
	}
	return short || m.Matches(value)
}
