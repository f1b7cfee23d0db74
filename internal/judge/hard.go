package judge

// hardEvents is how many events one window must have for a hard limit: one request of one that fails is no rate.
const hardEvents = 10

// Exceeds says whether one sample by itself is beyond one of the limits, without asking whether that is chance: limits that act at once are
// set where no good version ever comes near. The rate is what was measured: a share for counts, the mean of values.
func Exceeds(kind Kind, limits []Limit, x Sample) (l Limit, got Rate, ok bool) {
	x, _, sound := sane(kind, x)
	if !sound {
		return Limit{}, Rate{}, false
	}
	for _, l := range limits {
		got, enough := measured(kind, l, x)
		allowed := l.Max
		if l.Quantile > 0 {
			allowed = 1 - l.Quantile
		}
		if enough && (l.HasMax && got.Value > allowed || l.HasMin && got.Value < l.Min) {
			return l, got, true
		}
	}
	return Limit{}, Rate{}, false
}

func measured(kind Kind, l Limit, x Sample) (got Rate, enough bool) {
	switch kind {
	case Proportion:
		return Rate{Value: x.Bad / max(x.Total, 1), Events: x.Bad, Total: x.Total}, x.Total >= hardEvents
	case Histogram:
		for _, b := range x.Buckets {
			got.Total += b.N
			if b.Inf || b.Le > l.Max {
				got.Events += b.N
			}
		}
		got.Value = got.Events / max(got.Total, 1)
		return got, got.Events >= 2 && got.Total*(1-l.Quantile) >= 1 && got.Total >= hardEvents
	}
	for _, v := range x.Values {
		got.Value += v / float64(len(x.Values))
	}
	got.Total = float64(len(x.Values))
	return got, got.Total > 0
}
