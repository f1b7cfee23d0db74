package judge

import (
	"testing"
	"time"
)

func TestSentences(t *testing.T) {
	limit := []Limit{{Max: 0.01, HasMax: true, Text: "1%"}}
	errs := func(compare bool, l []Limit) Spec {
		return window(Spec{Name: "declined-cards", Kind: Proportion, Compare: compare, Limits: l, WarmUp: 5 * time.Minute}, 900)
	}
	usual := even(-86400, 60, 1440, 3, 3000)
	le := []float64{0.1, 0.25, 0.5, 1}
	history := repeated(-43200, 60, 720, le, 1500, 1200, 270, 25, 5)
	late := append(even(0, 15, 20, 1, 750), even(300, 15, 4, 38, 750)...)
	lat := window(Spec{Name: "latency", Kind: Histogram, Compare: true, Limits: []Limit{{Quantile: 0.99, Max: 0.5, HasMax: true, Text: "500ms"}}}, 900)
	mem := window(Spec{Name: "memory", Kind: Gauge, Limits: []Limit{{Max: 0.8, HasMax: true, Text: "80%"}}}, 900)
	up := window(Spec{Name: "up", Kind: Boolean}, 900)
	for _, c := range []struct {
		name, want string
		got        Judgement
	}{
		{"fail",
			"declined-cards 5.1% vs 0.10% before (+5.0 pp, 99% CI +4.0 to +6.1 pp), evidence more than 1e15:1, counted from the deploy on",
			baked(errs(true, nil), usual, even(0, 15, 4, 38, 750))},
		{"fail later",
			"declined-cards 5.1% vs 0.10% before (+5.0 pp, 99% CI +4.0 to +6.1 pp), evidence more than 1e15:1, counted from about 5 min after the deploy on",
			baked(errs(true, nil), usual, late)},
		{"fail by limit",
			"declined-cards 5.1% against a limit of 1% (99% CI 4.5% to 5.7%), evidence more than 1e15:1, counted from the deploy on",
			baked(errs(false, limit), nil, even(0, 15, 20, 38, 750))},
		{"bad before",
			"declined-cards 2.1% against a limit of 1% (99% CI 1.9% to 2.4%), but it was 2.0% before the deploy too: the deploy is not its cause",
			baked(errs(false, limit), even(-86400, 60, 1440, 60, 3000), even(0, 15, 40, 16, 750))},
		{"pass",
			"declined-cards 0.11% vs 0.10% before (+0.0067 pp, 99% CI -0.031 to +0.063 pp): a rise by 1 pp or twice the limit of 1% is excluded (10:1)",
			baked(errs(true, limit), usual, even(0, 15, 60, 0.8, 750))},
		{"doubling",
			"declined-cards 2.0% vs 2.0% before (0 pp, 99% CI -0.19 to +0.21 pp): a doubling is excluded (10:1)",
			baked(errs(true, nil), even(-86400, 60, 1440, 60, 3000), even(0, 15, 60, 15, 750))},
		{"few",
			"declined-cards 0% vs 0.10% before (-0.10 pp, 99% CI -0.10 to +9.9 pp): too few requests to exclude a rise by 1 pp, needs about 150 more requests",
			baked(errs(true, nil), usual, even(0, 15, 60, 0, 1))},
		{"no baseline",
			"declined-cards 0.13% against a limit of 1% (99% CI 0.084% to 0.21%): the limit is not proved to be exceeded, and the comparison is not possible, since there is no history before the deploy",
			baked(errs(true, limit), nil, even(0, 15, 60, 1, 750))},
		{"thin baseline",
			"declined-cards cannot be compared with before the deploy: there are only 12 events before the deploy (at least 50 are needed)",
			baked(errs(true, nil), even(-60, 15, 4, 0, 3), even(0, 15, 60, 1, 750))},
		{"no data",
			"declined-cards had no data in the window, so that nothing is known",
			baked(errs(true, nil), usual, nil)},
		{"no criteria",
			"declined-cards has neither a limit nor a comparison that can be judged",
			baked(errs(false, nil), usual, even(0, 15, 60, 1, 750))},
		{"latency pass",
			"latency above 0.5 for 0.67% of requests vs 1.0% before (-0.33 pp, 99% CI -0.43 to -0.23 pp): three times as many or twice the share that p99 500ms allows is excluded (10:1)",
			baked(lat, history, repeated(0, 15, 60, le, 378, 300, 67, 4, 1))},
		{"latency fail",
			"latency above 500ms for 13% of requests against at most 1.0% by its limit p99 500ms (99% CI 13% to 14%), evidence more than 1e15:1, counted from the deploy on",
			baked(lat, history, repeated(0, 15, 60, le, 200, 250, 200, 80, 20))},
		{"gauge pass",
			"memory above 0.8 for 0% of the time (its limit 80%; mean 0.5): staying there is excluded (10:1)",
			baked(mem, nil, valued(0, 15, 60, always(0.5)))},
		{"gauge fail",
			"memory above 0.8 for 100% of the time (its limit 80%; mean 0.93), evidence 3e5:1, counted from the deploy on",
			baked(mem, nil, valued(0, 15, 60, always(0.93)))},
		{"gauge few",
			"memory above 0.8 for 0% of the time (its limit 80%; mean 0.5): too few steps to tell, needs 1 more step",
			baked(mem, nil, valued(0, 15, 4, always(0.5)))},
		{"boolean pass",
			"up was 1 in 100% of its values over 60 steps",
			baked(up, nil, valued(0, 15, 60, always(1)))},
		{"boolean fail",
			"up was 0 in 10 steps in a row, evidence 1e13:1, counted from the deploy on",
			baked(up, nil, valued(0, 15, 10, always(0)))},
	} {
		if c.got.Sentence != c.want {
			t.Errorf("%s: %s\n got %q\nwant %q", c.name, c.got.Criteria, c.got.Sentence, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{percent(0.051), "5.1%"}, {percent(0.001), "0.10%"}, {percent(0.000996), "0.10%"}, {percent(0), "0%"}, {percent(1), "100%"},
		{percent(0.5), "50%"}, {percent(0.99973), "99.973%"}, {percent(0.0000003), "0.000030%"}, {percent(0.123), "12%"},
		{points(0.05), "+5.0 pp"}, {points(-0.0001), "-0.010 pp"}, {points(0), "0 pp"},
		{oddsOf(412.3), "412:1"}, {oddsOf(4.2e12), "4e12:1"}, {oddsOf(3e200), "more than 1e15:1"}, {oddsOf(0.2), "below 1:1"},
		{about(1843), "1,900"}, {about(73.2), "74"}, {about(1900), "1,900"}, {about(1234567), "1,300,000"},
		{count(999), "999"}, {count(1000), "1,000"}, {count(1234567), "1,234,567"},
		{after(3 * time.Second), "counted from the deploy on"}, {after(58 * time.Second), "counted from about 60 s after the deploy on"},
		{after(301 * time.Second), "counted from about 5 min after the deploy on"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
