package main

import "math"

// effect is what a version does to the pods that run it. The zero value does nothing.
type effect struct {
	errorsMore float64 // of the tenants' errors: 1 is twice
	errors     float64 // added to the error rate
	tenant     float64 // added to the error rate of the second tenant
	hang       float64 // share of the requests that reach the time-out
	slow       float64 // everything takes so much longer
	deep       float64 // share of the slow path that takes three times as long
	miss       float64 // share of the hits that are lost
	cost       float64 // more work for each request
	fewer      float64 // share of the business events that are lost
	lost       float64 // share of the requests that never come in
}

func (e effect) times(x float64) effect {
	return effect{e.errorsMore * x, e.errors * x, e.tenant * x, e.hang * x, e.slow * x, e.deep * x, e.miss * x, e.cost * x, e.fewer * x, e.lost * x}
}

// fault is what is wrong with the version that is deployed, or better.
type fault struct {
	effect
	onset float64         // s after the deploy
	every float64         // s between two starts of a fault that comes and goes, a minute each time; 0 is always there
	grows float64         // s until it is there in full; 0 is at once
	where func(*pod) bool // the pods that it meets; nil is all
	crash float64         // s between two crashes of the pods that it meets
	stuck bool            // the rollout stops in its middle: old pods are gone, new ones do not come
}

// on is what the fault does to a pod in the tick that ends at t.
func (f *fault) on(p *pod, t float64) effect {
	if f == nil || !p.fresh || t <= f.onset || f.where != nil && !f.where(p) {
		return effect{}
	}
	if f.every > 0 && math.Mod(t-f.onset-tick, f.every) >= minute {
		return effect{}
	}
	if f.grows > 0 && t < f.onset+f.grows {
		return f.times((t - f.onset) / f.grows)
	}
	return f.effect
}
