package bake

import (
	"iter"

	"github.com/bakegate/bakegate/internal/judge"
)

// deployJudge is the part of judge.Deploy that the bake uses: it decides, over all metrics under one budget.
type deployJudge interface {
	Add(metric int, s judge.Sample)
	AddControl(metric int, s judge.Sample)
	Judge() judge.Verdict
	End() judge.Verdict
	Lacks() judge.Lack
}

// judging is the part of judge.State that the bake uses: it explains one metric by itself.
type judging interface {
	Add(judge.Sample)
	Judge() judge.Judgement
	End() judge.Judgement
}

// Here, and nowhere else, the bake meets the judge.
func newJudge(spec judge.Spec, before []judge.Sample) judging { return judge.New(spec, before) }

func newDeploy(spec judge.DeploySpec, histories iter.Seq[judge.History]) deployJudge {
	return judge.NewDeploy(spec, histories)
}
