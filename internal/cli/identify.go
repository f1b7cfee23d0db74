package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bakegate/bakegate/internal/record"
	"github.com/bakegate/bakegate/internal/report"
	"github.com/bakegate/bakegate/internal/step"
)

// identify finds the deploy's id, and whether this run takes up an earlier one of the same deploy.
func (s *session) identify(prior *report.Report) error {
	id := s.o.deployID
	if id == "" {
		id = s.release.DeployID()
	}
	if s.mode == step.Finish {
		return s.identifyFinish(prior, id)
	}
	if s.mode == step.Alone {
		return s.identifyAlone(prior, id)
	}
	s.deployID = s.unsealed(prior, id)
	if prior != nil && prior.Plan.DeployID == s.deployID {
		s.earlier = prior
		return nil
	}
	s.lookUp()
	return nil
}

// identifyAlone has one stage act for the deploy of that id: mark --seal goes on with what mark wrote down.
func (s *session) identifyAlone(prior *report.Report, id string) error {
	s.deployID = id
	if s.name == "mark" && prior != nil && prior.Plan.DeployID == id {
		s.earlier = prior
	}
	return nil
}

// unsealed is the id, or id-2, id-3... where the deploy of that name came to its end: a rerun behind it is another deploy. Without a ledger
// the journal that lies there is all that is known: its own deploy came behind those of a smaller number.
func (s *session) unsealed(prior *report.Report, id string) string {
	n := 1
	if prior != nil {
		n = rerunOf(id, prior.Plan.DeployID)
	}
	for ; ; n++ {
		try := rerun(id, n)
		_, f := record.Of(s.here(), try)
		if f.DeployID == "" && !(prior != nil && prior.Plan.DeployID == try && prior.Sealed()) {
			return try
		}
	}
}

// rerun is the id of the n-th deploy of that name.
func rerun(id string, n int) string {
	if n == 1 {
		return id
	}
	return fmt.Sprintf("%s-%d", id, n)
}

// rerunOf is which deploy of that name has the id named; 1 for one of another name.
func rerunOf(id, named string) int {
	if n, err := strconv.Atoi(strings.TrimPrefix(named, id+"-")); err == nil && n > 1 && rerun(id, n) == named {
		return n
	}
	return 1
}

// identifyFinish takes up what begin left: its journal, or else the ledger's record.
func (s *session) identifyFinish(prior *report.Report, id string) error {
	if prior != nil && prior.Plan.Release.Service == s.release.Service && prior.Plan.Release.Environment == s.release.Environment &&
		(s.o.deployID == "" || s.o.deployID == prior.Plan.DeployID) {
		s.deployID, s.earlier = prior.Plan.DeployID, prior
		if prior.Sealed() {
			s.done = prior
		}
		return nil
	}
	s.deployID = s.unsealed(nil, id)
	if s.lookUp(); s.lost == nil {
		return fmt.Errorf("there is no begin to finish: %s holds no journal of %s%s%s. Keep the out directory between the two steps "+
			"(same job, artifact or workspace), or use bakegate run", s.o.out, dash(s.release.Service), where(s.release.Environment), s.ledgerNote())
	}
	return nil
}

func (s *session) ledgerNote() string {
	if s.ledger == nil {
		return ""
	}
	return ", and the ledger no started record of deploy " + s.deployID
}

// lookUp finds the started record of a run of this deploy whose journal is gone.
func (s *session) lookUp() {
	if r, f := record.Of(s.here(), s.deployID); r.DeployID != "" && f.DeployID == "" {
		s.lost = &r
	}
}

// knowVersion takes the version, where nothing says it this time, from what an earlier process of the deploy knew; a bake that asks for it
// does not go on without.
func (s *session) knowVersion() error {
	switch {
	case s.release.Version != "":
	case s.earlier != nil:
		s.release.Version = s.earlier.Plan.Release.Version
	case s.lost != nil:
		s.release.Version = s.lost.Release.Version
	}
	if s.bakes() {
		return s.versioned()
	}
	return nil
}

func where(environment string) string {
	if environment == "" {
		return ""
	}
	return " in " + environment
}
