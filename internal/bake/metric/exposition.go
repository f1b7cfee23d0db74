package metric

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
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
}

// readExposition reads the text format and gives each sample to each. It is read in batches and without its comments: without TYPE
// lines every line is a sample as it stands, and what is in memory has a bound.
func readExposition(r io.Reader, each func(exposed) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for first := 1; first < expositionLines; first += expositionBatch {
		batch, end, err := readBatch(in, first)
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

// readBatch reads some lines, comments emptied so that the lines keep their numbers.
func readBatch(in *bufio.Reader, first int) (batch []byte, end bool, err error) {
	for n := range expositionBatch {
		line, err := readLine(in)
		if err == io.EOF && len(line) == 0 {
			return batch, true, nil
		}
		if err == io.EOF {
			return nil, false, troublef(Truncated, "line %d has no end: the reply is cut off", first+n)
		}
		if err != nil {
			return nil, false, fmt.Errorf("line %d: %w", first+n, err)
		}
		if bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte{'#'}) {
			line = []byte{'\n'}
		}
		batch = append(batch, line...)
	}
	return batch, false, nil
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
			if err := each(exposed{name, exposedLabels(m), m.GetUntyped().GetValue()}); err != nil {
				return err
			}
		}
	}
	return nil
}

func exposedLabels(m *dto.Metric) map[string]string {
	labels := make(map[string]string, len(m.GetLabel()))
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}
