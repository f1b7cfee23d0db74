package main

import "fmt"

// naive is the judge that many pipelines have: over the last minute, errors and slow requests may be half as many again as in the last hour, and traffic
// and business events may not fall by half. It shows that the world is hard.
type naive struct {
	usual *group // the differences of the last hour
	hour  float64
	last  []*group
}

func (n *naive) close() error { return nil }

func (n *naive) ask(message any) (answer, error) {
	switch m := message.(type) {
	case startMessage:
		n.begin(m.History)
	case sampleMessage:
		if why := n.look(m.Canary); why != "" {
			return answer{rollback, why}, nil
		}
	case endMessage:
		return answer{pass, "nothing was seen"}, nil
	}
	return answer{goOn, ""}, nil
}

func (n *naive) begin(history []row) {
	*n = naive{}
	var first, last row
	for _, r := range history {
		if r.Canary == nil {
			continue
		}
		if r.T <= -3600 {
			first = r
		}
		last = r
	}
	if first.Canary != nil {
		n.usual, n.hour = minus(last.Canary, first.Canary), float64(last.T-first.T)
	}
}

func (n *naive) look(g *group) string {
	if g == nil {
		n.last = nil
		return ""
	}
	if n.last = append(n.last, g); len(n.last) < 6 || n.usual == nil { // the first minute is not judged
		return ""
	}
	n.last = n.last[len(n.last)-5:]
	d := minus(g, n.last[0])
	switch was := n.usual; {
	case d == nil || was == nil:
		return ""
	case share(d.Err, d.Req) > 1.5*share(was.Err, was.Req)+0.001:
		return fmt.Sprintf("errors %.4f, were %.4f", share(d.Err, d.Req), share(was.Err, was.Req))
	case share(d.slow(), d.Req) > 1.5*share(was.slow(), was.Req)+0.005:
		return fmt.Sprintf("slow %.4f, were %.4f", share(d.slow(), d.Req), share(was.slow(), was.Req))
	case float64(d.Req)/minute < 0.5*float64(was.Req)/n.hour:
		return fmt.Sprintf("%d requests in a minute", d.Req)
	case share(d.Biz, d.Req) < 0.5*share(was.Biz, was.Req):
		return fmt.Sprintf("%d business events in a minute", d.Biz)
	}
	return ""
}

// minus is what came between two scrapes; nil where a counter fell.
func minus(a, b *group) *group {
	d := &group{Req: a.Req - b.Req, Err: a.Err - b.Err, Biz: a.Biz - b.Biz}
	for i := range d.Lat {
		d.Lat[i] = a.Lat[i] - b.Lat[i]
		if d.Lat[i] < 0 {
			return nil
		}
	}
	if d.Req < 0 || d.Err < 0 || d.Biz < 0 {
		return nil
	}
	return d
}

// slow counts what took more than 500 ms.
func (g *group) slow() int64 {
	n := int64(0)
	for _, c := range g.Lat[15:] {
		n += c
	}
	return n
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
