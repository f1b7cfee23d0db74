// Package internal is the house of bakegate. One screen to find your way.
//
// # The flow: one way, by function arguments
//
//	environment ─► ci.Detect ─┐
//	bakegate.yaml ─► config ──┴► Plan ─► preflight ► verify ► diff ► mark.Open ► bake ► verdict.Decide ► mark.Seal ► record ► report ► exit code
//
// step.Run reads as that line. No stage calls another, none reads the environment, none prints: each takes what it needs and returns
// findings. Sealing the markers and writing the record happen on every way out, cancellation included.
//
//	cli/        commands and flags -> a Plan; the only package that imports everything
//	config/     bakegate.yaml + environment -> typed values; every mistake reported, each with file:line:col
//	step/       the step: the calls above, in order, nothing else
//	preflight/  0  may we deploy now
//	verify/     1  is it the artifact we built, and who signed it
//	               verify/artifact/: digests, manifests, platforms      verify/built/: what the build made, one file a source
//	               verify/deployed/: what is declared and what runs, one file a source
//	               verify/signed/: signatures and attestations (the only place that imports cosign); forge/ signs for tests
//	diff/       2  what changed in its configuration: pure tree diff + rules      diff/source/: where a state comes from
//	               diff/format/: how a state is written, one file a format (pure)
//	mark/       3  tell the observability tools: Open at the start, Seal at the end      mark/sink/: one file a tool
//	bake/       4  watch it: the loop, and from a backend to counts      bake/metric/: one file a metrics backend
//	               bake/pack/: ready metrics, one file a pack
//	judge/      pure: samples in, judgement and its reasons out; no I/O, no clock. State is one metric, Deploy all of a deploy's together
//	release/    pure: what is being deployed, and when
//	verdict/    pure: Finding, Outcome, Decide, exit codes
//	cause/      pure: evidence -> ranked candidate causes
//	record/     deployments as data: the journal of this run, the ledger of all runs
//	ci/         the platform we run on: detect, outputs, annotations, summary, masks; one file a platform
//	report/     journal -> text, JSON, Markdown
//	httpx/      the one HTTP client, and the one type that holds a secret
//	registry/   the one way to an OCI registry: credentials, mirrors, limits, errors that say what was tried; fake/ for tests
//	cloud/      a job's credentials in AWS, Google Cloud and Azure; the few signed calls
//	kube/       the one way to a Kubernetes API: bounded reads, errors that name the right that is missing
//	files/      a file or a folder out of a place that a pull request can edit: links, sizes and depths are bounded
//	command/    a program of the job's, run where the person who starts bakegate allows it, its output bounded
//	clean/      pure: text from outside, made safe to print, once, where it enters
//	heap/       when garbage is collected: late in a short run, early on what a stranger sends
//	lazyregexp/ regular expressions that are compiled when they are first used: the step starts in every pipeline
//	demo/       the sample shop and registry behind `bakegate demo`; the tests use them too
//	realtest/   starts the real servers that the tests need
//
// # The dependency rule (deps_test.go holds it)
//
//   - judge, verdict, release, cause, clean, lazyregexp import only the standard library, pure maths libraries and each other.
//   - The stages (preflight, verify, diff, mark, bake) import pure packages, httpx, registry, kube, cloud, files and command; never each other, nor ci, config, report, cli.
//   - An extension is one file plus one line in a map. It owns its options struct, decodes it strictly, is constructed at load time
//     without I/O, and returns data, never verdicts.
//   - Sources fetch; judge and diff's rules decide. I/O and judgement never share a function.
//
// # To add X, write Y
//
//	a metrics backend       bake/metric/NAME.go, one line in metric.Sources, replies under testdata/api/NAME
//	a pack of metrics       bake/pack/NAME.yaml, what its exporter prints in testdata/packs, its section in docs/packs.md
//	a marker                mark/sink/NAME.go, one line in sink.Sinks, replies under testdata/api/NAME
//	a source of the built digest    verify/built/NAME.go, one line in built.Sources
//	a place where images run        verify/deployed/NAME.go, one line in deployed.Sources
//	a configuration source  diff/source/NAME.go, one line in source.Sources
//	a configuration format  diff/format/NAME.go, and its line in the syntaxes or dialects
//	a CI platform           ci/NAME.go, one line in ci.Platforms
//	a ledger store          record/NAME.go, one line in record.Stores
//	a check                 the finding where it is found, its page in docs/checks/ and its line in the README.md there, named by Finding.Doc
//	a verdict or a reason   verdict/decide.go, the table in README, a script in testdata/script
package internal
