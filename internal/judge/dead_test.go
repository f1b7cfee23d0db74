package judge

import "testing"

// TestQuietCanaryDies: a canary with one request in five seconds, whose earlier deploys seem to have got their traffic in very different
// ways, as so few requests do. What it had got itself before it fell silent says what is missing.
func TestQuietCanaryDies(t *testing.T) {
	for _, c := range []struct {
		name         string
		before, want float64 // requests in a step before; s until it is told
	}{
		{"it had its traffic", 3, 75},
		{"it had a little", 1, 200},
		{"it had none yet", 0, 1e9},
	} {
		s := &stream{streamFit: streamFit{What: countRate, Down: true, Ref: reference{Rate: 0.2, Events: 5000}}, window: 900}
		s.Ramp = []rampBin{{}, {}}
		for range len(rampEdges) - 1 {
			s.Ramp = append(s.Ramp, rampBin{Var: 0.3})
		}
		s.plan(s.window)
		told := 1e9
		for x := 0.0; x < 900 && told == 1e9; x += 15 {
			y := c.before
			if x >= 300 {
				y = 0
			}
			s.add(obs{x, x + 15, y, 15})
			if nats, _ := s.dead(); nats >= 4.6 {
				told = x + 15 - 300
			}
		}
		if told > c.want || c.want == 1e9 && told < 120 {
			t.Errorf("%s: got %.0f s, want %.0f", c.name, told, c.want)
		}
	}
}
