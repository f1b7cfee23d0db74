package main

import (
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/judge"
)

// reading is what a series is taken for: a gauge, or a count of events in each interval, where more or less is worse.
type reading struct {
	name      string
	kind      judge.Kind
	direction judge.Direction
	scale     float64 // events of one unit of the series
}

var (
	gauge = reading{"gauge", judge.Gauge, "", 1}
	down  = reading{"rate down", judge.Rates, judge.Down, 1}
	up    = reading{"rate up", judge.Rates, judge.Up, 1}
)

// What the known series are, by a part of their name. What is not here is not about a service, or coarser than a bake.
var (
	gauges    = []string{"cpu_utilization", "grok_asg", "request_latency", "machine_temperature", "rogue_agent", "realTraffic/occupancy", "/test/service"}
	counts    = []string{"disk_write_bytes", "ec2_network_in", "NetworkIn", "elb_request_count", "Twitter_volume", "mongodb-machine-rps", "MergedLog/merged"}
	perSecond = []string{"data-ingress-rate", "mongodb-application-rps"} // the mean of a minute
)

func readings(name string) []reading {
	is := func(part string) bool { return strings.Contains(name, part) }
	switch {
	case slices.ContainsFunc(gauges, is):
		return []reading{gauge}
	case slices.ContainsFunc(counts, is):
		return []reading{down, up}
	case slices.ContainsFunc(perSecond, is):
		d, u := down, up
		d.scale, u.scale = 60, 60
		return []reading{d, u}
	}
	return nil
}

// samples gives points to the judge as what they are read for, times factor.
func (r reading) samples(ps []point, factor float64) []judge.Sample {
	out := make([]judge.Sample, len(ps))
	for i, p := range ps {
		out[i] = judge.Sample{From: p.at, To: p.to}
		if r.kind == judge.Gauge {
			out[i].Values = []float64{p.value * factor}
		} else {
			out[i].Total = p.value * factor * r.scale
		}
	}
	return out
}

// harm is the factor of a harm of a size.
func (r reading) harm(size float64) float64 {
	if r.direction == judge.Down {
		return 1 / size
	}
	return size
}
