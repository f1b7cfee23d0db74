package metric

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// matrixSeries is one series of a reply of Prometheus' HTTP API.
type matrixSeries struct {
	Metric     map[string]string `json:"metric"`
	Values     samples           `json:"values"`
	Histograms []reading         `json:"histograms"`
}

// sample is one sample as it travels: milliseconds since the epoch, and a value.
type sample struct {
	ms int64
	v  float64
}

// samples decodes [[1700000000.123,"12.5"],...]. By hand: through reflection it costs five times as much, and there are millions.
type samples []sample

// UnmarshalJSON gets valid JSON, the decoder saw to that; it checks the shape.
func (s *samples) UnmarshalJSON(b []byte) error {
	*s = (*s)[:0]
	if b = bytes.TrimSpace(b); string(b) == "null" {
		return nil
	}
	if len(b) < 2 || b[0] != '[' {
		return fmt.Errorf("values %q are not a list", cut(b))
	}
	for b = b[1 : len(b)-1]; ; {
		if b = bytes.TrimLeft(b, ", \t\r\n"); len(b) == 0 {
			return nil
		}
		end := bytes.IndexByte(b, ']')
		if b[0] != '[' || end < 0 {
			return fmt.Errorf("sample %q is not [time,\"value\"]", cut(b))
		}
		one, err := parseSample(b[1:end])
		if err != nil {
			return err
		}
		*s = append(*s, one)
		b = b[end+1:]
	}
}

func parseSample(b []byte) (sample, error) {
	at, value, ok := bytes.Cut(b, []byte{','})
	if !ok {
		return sample{}, fmt.Errorf("sample %q is not [time,\"value\"]", cut(b))
	}
	t, err := strconv.ParseFloat(string(bytes.TrimSpace(at)), 64)
	if err != nil || math.Abs(t) > 1e12 || t != t {
		return sample{}, fmt.Errorf("sample %q: the time is not in seconds", cut(b))
	}
	v, err := strconv.ParseFloat(string(bytes.Trim(value, " \t\r\n\"")), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return sample{}, fmt.Errorf("sample %q: the value is not a number", cut(b))
	}
	return sample{ms: int64(math.Round(t * 1000)), v: v}, nil
}

func cut(b []byte) []byte { return b[:min(len(b), 60)] }

// apiReply is what stands around the data.
type apiReply struct {
	Status    string
	ErrorType string
	Error     string
	Warnings  []string
	Infos     []string
	Partial   bool // VictoriaMetrics' way to say that a storage node did not answer
}

// filling reads as much as is asked for: with each small piece json.Decoder looks again at all the white space that it has, which of a long
// reply of nothing else takes minutes.
type filling struct{ io.Reader }

func (f filling) Read(p []byte) (int, error) {
	n, err := io.ReadFull(f.Reader, p)
	if n > 0 {
		err = nil // an end or a failure stays, and comes with the next call
	}
	return n, err
}

// decodeReply reads a reply of the query API as a stream: at most one series is in memory, each is given to one series after the
// other and is valid during the call alone. An error of each ends the reading and is returned as it is.
func decodeReply(r io.Reader, each func(*matrixSeries) error) (apiReply, error) {
	var reply apiReply
	dec := json.NewDecoder(filling{r})
	err := decodeObject(dec, func(key string) error {
		switch key {
		case "status":
			return dec.Decode(&reply.Status)
		case "errorType":
			return dec.Decode(&reply.ErrorType)
		case "error":
			return dec.Decode(&reply.Error)
		case "warnings":
			return dec.Decode(&reply.Warnings)
		case "infos":
			return dec.Decode(&reply.Infos)
		case "isPartial":
			return dec.Decode(&reply.Partial)
		case "data":
			return decodeData(dec, each)
		}
		return skipValue(dec)
	})
	return reply, err
}

// decodeData reads {"resultType":"matrix","result":[...]}. It may be null in an error's reply.
func decodeData(dec *json.Decoder, each func(*matrixSeries) error) error {
	return decodeObject(dec, func(key string) error {
		switch key {
		case "resultType":
			var kind string
			if err := dec.Decode(&kind); err != nil {
				return err
			}
			if kind != "matrix" {
				return fmt.Errorf("result type %.40q, want a matrix", kind)
			}
			return nil
		case "result":
			return decodeResult(dec, each)
		}
		return skipValue(dec)
	})
}

func decodeResult(dec *json.Decoder, each func(*matrixSeries) error) error {
	if t, err := dec.Token(); err != nil || t == nil {
		return err
	} else if t != json.Delim('[') {
		return errors.New("the result is not a list")
	}
	var values samples
	for dec.More() {
		s := matrixSeries{Values: values[:0]}
		if err := dec.Decode(&s); err != nil {
			return err
		}
		if err := each(&s); err != nil {
			return err
		}
		values = s.Values
	}
	_, err := dec.Token()
	return err
}

// decodeObject calls field with each key of an object; field reads the value. null is an empty object.
func decodeObject(dec *json.Decoder, field func(key string) error) error {
	t, err := dec.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("got %.40v, want a JSON object", t)
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if err := field(key); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func skipValue(dec *json.Decoder) error {
	var skipped json.RawMessage
	return dec.Decode(&skipped)
}
