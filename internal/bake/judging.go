package bake

import "github.com/bakegate/bakegate/internal/judge"

// newJudge is the one place where the bake meets the judge.
func newJudge(spec judge.Spec, before []judge.Sample) judging { return judge.New(spec, before) }
