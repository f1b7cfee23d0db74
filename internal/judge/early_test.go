package judge

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// earlyShop is a deploy that may pass after five of fifteen minutes.
func earlyShop(v *shop, change func(*DeploySpec)) *Deploy {
	spec := DeploySpec{Alpha: 0.01, Start: at(0), End: at(v.bake), WarmUp: 3 * time.Minute, Metrics: v.specs, PassAfter: 5 * time.Minute, Step: 15 * time.Second}
	if change != nil {
		change(&spec)
	}
	return NewDeploy(spec, slices.Values(v.histories()))
}

// whole feeds a deploy and says when it was decided, 0: not before the end.
func whole(v *shop, d *Deploy, feed func(t float64)) (Verdict, float64) {
	for t := 0.0; t < v.bake; t += v.step {
		feed(t)
		if x := d.Judge(); x.Status != Continue {
			return x, t + v.step
		}
	}
	return d.End(), 0
}

// What is sure passes at the second look at which it may; what looks worse, lacks events or was not seen throughout waits for the end.
func TestPassEarly(t *testing.T) {
	worse := func(factor, from, to float64) func(*shop) {
		return func(v *shop) {
			v.fault = func(t float64, x *rates) {
				if t >= from && t < to {
					x.errors *= factor
				}
			}
		}
	}
	errorsOnly := func(s *DeploySpec) { s.Metrics = shopSpecs[:1] }
	tests := []struct {
		name     string
		shop     func(*shop)
		spec     func(*DeploySpec)
		feed     func(v *shop, d *Deploy, t float64) // nil: as it comes
		from, to float64                             // when it is decided; 0, 0: at the end
		want     Status
	}{
		{"good", nil, nil, nil, 315, 360, Pass},
		{"it is not asked for", nil, func(s *DeploySpec) { s.PassAfter = 0 }, nil, 0, 0, Pass},
		{"never before the warm-up is over", nil, func(s *DeploySpec) { s.WarmUp = 8 * time.Minute }, nil, 495, 540, Pass},
		{"not behind the window", nil, func(s *DeploySpec) { s.PassAfter = time.Hour }, nil, 0, 0, Pass},
		{"bad", worse(20, 0, 900), nil, nil, 30, 300, Fail},
		{"bad for a while", worse(20, 250, 900), nil, nil, 260, 420, Fail},
		{"a little worse, and that is not proved", worse(1.5, 0, 900), nil, nil, 0, 0, Unknown},
		{"it gets worse just then", worse(4, 270, 900), nil, nil, 300, 840, Fail},
		{"too little traffic", func(v *shop) { v.rps = 0.3 }, nil, nil, 0, 0, Unknown},
		{"little traffic takes longer", func(v *shop) { v.rps = 1.5 }, errorsOnly, nil, 400, 840, Pass},
		{"nothing was seen for three minutes", nil, errorsOnly, func(v *shop, d *Deploy, t float64) {
			if t < 60 || t >= 240 {
				v.feed(d, t)
			}
		}, 0, 0, Pass},
		{"no requests for three minutes", func(v *shop) {
			v.fault = func(t float64, x *rates) {
				if t >= 60 && t < 240 {
					x.rps = 0
				}
			}
		}, errorsOnly, nil, 0, 0, Pass},
		{"traffic ends just then", func(v *shop) {
			v.fault = func(t float64, x *rates) {
				if t >= 300 {
					x.rps = 0
				}
			}
		}, nil, nil, 330, 420, Fail},
		{"a process is missing from what was seen last", nil, nil, func(v *shop, d *Deploy, t float64) {
			for i, x := range v.draw(t, v.step, 1, true) {
				x.Partial = t < 595
				d.Add(i, x)
			}
		}, 600, 660, Pass},
		{"one metric is late", nil, nil, func(v *shop, d *Deploy, t float64) {
			for i, x := range v.draw(t, v.step, 1, true) {
				if i > 0 || t < 240 || t >= 600 {
					d.Add(i, x)
				}
			}
		}, 0, 0, Pass},
		{"beside its control", func(v *shop) { v.control, v.rps = true, 500 }, nil, nil, 315, 420, Pass},
		{"the control is late", func(v *shop) { v.control, v.rps = true, 500 }, nil, func(v *shop, d *Deploy, t float64) {
			for i, x := range v.draw(t, v.step, 0.2, true) {
				d.Add(i, x)
			}
			if t < 200 {
				for i, x := range v.draw(t, v.step, 0.8, false) {
					d.AddControl(i, x)
				}
			}
		}, 0, 0, Pass},
		{"what begins behind it is not seen, as asked for", worse(20, 400, 900), nil, nil, 315, 360, Pass},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newShop(3)
			if tt.shop != nil {
				tt.shop(v)
			}
			d := earlyShop(v, tt.spec)
			feed := func(s float64) { v.feed(d, s) }
			if tt.feed != nil {
				feed = func(s float64) { tt.feed(v, d, s) }
			}
			x, when := whole(v, d, feed)
			if x.Status != tt.want || when < tt.from || when > tt.to {
				t.Errorf("got %s after %.0f s (%s %s), want %s from %.0f to %.0f s", x.Status, when, x.Reason, x.Sentence, tt.want, tt.from, tt.to)
			}
		})
	}
}

// It takes two looks, each of which saw more than the one before; what was written down between them is none.
func TestPassEarlyTakesTwoLooks(t *testing.T) {
	v := newShop(3)
	d := earlyShop(v, nil)
	for s := 0.0; s < 300; s += v.step {
		v.feed(d, s)
		if x := d.Judge(); x.Status != Continue {
			t.Fatalf("after %.0f s: %s", s, x.Status)
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var again Deploy
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if x := again.Judge(); x.Status != Continue {
			t.Errorf("without anything new: %s", x.Status)
		}
	}
	v.feed(&again, 300)
	x := again.Judge()
	for _, j := range x.Metrics {
		if x.Status != Pass || j.Status != Pass {
			t.Errorf("the second look: %s, %s is %s: %s", x.Status, j.Metric, j.Status, j.Sentence)
		}
	}
}

// Harm that the end would call excluded is not yet for one of many looks.
func TestEarlyAsksForMore(t *testing.T) {
	d := earlyShop(newShop(1), nil)
	end, early := d.atEnd(), d.asksEarly(300)
	if early.nats < end.nats+3 || early.suspect >= end.suspect || early.recent != 100 {
		t.Errorf("early asks for %+v, the end for %+v", early, end)
	}
	d.spec.Step = 0
	if got := d.asksEarly(300).nats; got >= early.nats || got <= end.nats {
		t.Errorf("%.1f nats with half as many looks", got)
	}
}
