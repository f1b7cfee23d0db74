package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// answer is what a judge says to a message.
type answer struct {
	Verdict string `json:"verdict"`
	Why     string `json:"why"`
}

const (
	goOn         = "continue"
	rollback     = "rollback"
	pass         = "pass"
	inconclusive = "inconclusive"
)

// judge is asked about one deploy after the other.
type judge interface {
	ask(message any) (answer, error)
	close() error
}

type startMessage struct {
	Type        string      `json:"type"`
	Version     int         `json:"v"`
	ID          string      `json:"id"`
	Interval    int         `json:"interval"`
	HistoryStep int         `json:"history_step"`
	Bake        int         `json:"bake"`
	Alpha       float64     `json:"alpha"`
	Control     bool        `json:"control"`
	Bounds      [20]float64 `json:"bounds_ms"`
	History     []row       `json:"history"`
	Previous    [][]row     `json:"previous"`
}

type sampleMessage struct {
	Type string `json:"type"`
	row
}

type endMessage struct {
	Type string `json:"type"`
}

// start says everything about a deploy but the truth: the id must not tell the class.
func (tr *trace) start() startMessage {
	id := newDice(tr.seed, tr.class.name+" id").Uint64()
	return startMessage{"start", 2, fmt.Sprintf("%x", id), tick, minute, tr.bake, 0.01, tr.mode == canary, bounds, tr.history, tr.previous}
}

// verdict is how a judge ended a trace.
type verdict struct {
	answer
	t int
}

// hear plays a trace to a judge until it decides.
func hear(j judge, tr *trace) (verdict, error) {
	if _, err := j.ask(tr.start()); err != nil {
		return verdict{}, err
	}
	for _, r := range tr.samples {
		a, err := j.ask(sampleMessage{"sample", r})
		if err != nil || a.Verdict != goOn {
			return verdict{a, r.T}, err
		}
	}
	a, err := j.ask(endMessage{"end"})
	if err == nil && a.Verdict == goOn {
		err = errors.New("the judge said continue to the end")
	}
	return verdict{a, tr.bake}, err
}

// process is a judge that runs beside and speaks lines of JSON.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	to      *json.Encoder
	from    *bufio.Scanner
}

func startProcess(ctx context.Context, command string) (*process, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, errors.New("-judge: got nothing, want a command")
	}
	p := &process{command: exec.CommandContext(ctx, words[0], words[1:]...)}
	p.command.Stderr = os.Stderr
	in, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.to, p.from = in, json.NewEncoder(in), bufio.NewScanner(out)
	p.from.Buffer(nil, 1<<20)
	return p, p.command.Start()
}

func (p *process) ask(message any) (answer, error) {
	if err := p.to.Encode(message); errors.Is(err, syscall.EPIPE) {
		return answer{}, fmt.Errorf("the judge ended: %w", err)
	} else if err != nil {
		return answer{}, fmt.Errorf("the judge does not listen: %w", err)
	}
	if !p.from.Scan() {
		return answer{}, fmt.Errorf("the judge ended: %w", errors.Join(p.from.Err(), io.ErrUnexpectedEOF))
	}
	var a answer
	if err := json.Unmarshal(p.from.Bytes(), &a); err != nil {
		return a, fmt.Errorf("the judge said %q: %w", p.from.Text(), err)
	}
	switch a.Verdict {
	case goOn, rollback, pass, inconclusive:
		return a, nil
	}
	return a, fmt.Errorf("the judge said %q, want continue, rollback, pass or inconclusive", a.Verdict)
}

func (p *process) close() error {
	p.in.Close()
	return p.command.Wait()
}
