package config

import (
	"slices"
	"strings"
)

// descriptions is what an editor shows beside a key: KEY of the file, or TYPE.KEY.
var descriptions = map[string]string{
	"version":      "The version of this format: 1.",
	"service":      "The name of the service; $service in queries.",
	"environment":  "The environment that is deployed to; it chooses the overlay and is $environment in queries.",
	"environments": "Overlays by the name of the environment: what differs there. Mappings merge, metrics merge by name, all else replaces.",
	"release":      "The version label that the service reports; $version in queries.",
	"verify":       "Is it the artifact that was built, and who signed it.",
	"diff":         "What changed in the configuration.",
	"mark":         "The observability tools that are told about the deploy.",
	"bake":         "Watch the deploy and judge its metrics.",
	"rollback":     "Whether, and how, the deploy can be taken back.",
	"record":       "Where the ledger of all deploys is kept.",
	"registries":   "How registries are talked to, by host[:port].",
	"on":           "Verdict or reason (VERDICT/WHAT) to another exit code: a number, or the name of the verdict whose code it is.",

	"verify.Options.images":       "The images that are (to be) deployed.",
	"verify.Options.signature":    "Who must have signed every image.",
	"verify.Image.image":          "What is deployed: a reference with a tag, a digest or both.",
	"verify.Image.built":          "Where the built digest comes from: exactly one.",
	"verify.Image.platforms":      "os/arch[/variant] that must be in the index.",
	"verify.Image.plain-http":     "Speak HTTP to the registry.",
	"verify.Options.deployed":     "What the deployment declares, and what runs: it must be the images.",
	"verify.Options.attestations": "Statements about every image that must be there, each signed.",
	"signed.Signer.key":           "A public key: a file, or the PEM text itself.",
	"signed.Signer.keys":          "Several public keys; any one is enough.",
	"signed.Signer.keyless":       "The certificate of a keyless signature.",
	"signed.Signer.trusted-root":  "A trusted_root.json; without it the public Sigstore instance, through TUF.",
	"signed.Signer.tuf":           "The TUF repository of a private Sigstore.",
	"signed.Signer.ignore-tlog":   "Do without the transparency log's proof.",
	"signed.Signature.signed-as":  "Further repositories that a signature may have been made for.",
	"signed.Attestation.type":     "slsa-provenance, spdx, cyclonedx, vuln, or a predicate type.",
	"signed.Attestation.check":    "A condition in CEL over predicate, subject and release.",
	"signed.Attestation.from":     "registry (default), or github.",

	"config.Diff.target":   "The configuration that is deployed.",
	"config.Diff.previous": "The configuration it is compared with.",
	"diff.Rules.expect":    "Differences that are wanted: counted, not listed.",
	"diff.Rules.forbid":    "Differences that block.",
	"diff.Expect.path":     "Kind/name:spec.replicas or spec.replicas; * is a segment or a part of one, ** any number.",
	"diff.Expect.until":    "YYYY-MM-DD: the last day on which the rule counts.",
	"diff.Forbid.change":   "changed, missing, extra; all of them when left out.",

	"bake.Options.window":     "How long the new version is watched; default 15m.",
	"bake.Options.step":       "How often it is judged; default 30s, or a tenth of a window below 5m.",
	"bake.Options.warm-up":    "How long a fresh process may be slower and a little more faulty; default 5m.",
	"bake.Options.alpha":      "The chance of a false rollback of a good deploy, all metrics and looks together; default 1%.",
	"bake.Options.pass-after": "How long is watched at least where a bake may pass before its window ends; without it, it never does.",
	"bake.Options.preflight":  "note or block: what becomes, before the deploy, of a metric whose traffic is too little for the window.",
	"bake.Options.baseline":   "The history before the deploy to compare with.",
	"bake.Options.sources":    "The metrics backends by a name of your own.",
	"bake.Options.metrics":    "What is watched.",
	"bake.Options.ready-when": "When the new version serves; without it, from the deploy's end.",
	"bake.Baseline.window":    "Default 24h; at least ten steps.",
	"bake.Baseline.gap":       "Left out right before the deploy; default one step.",
	"bake.Baseline.exclude":   "Intervals to leave out: an earlier deploy, an incident.",
	"bake.Metric.name":        "Lower-case letters, digits, - and _; it is in the verdict's reason.",
	"bake.Metric.from":        "The source; may be left out where there is only one.",
	"bake.Metric.bad":         "A selector of counters: the failed events...",
	"bake.Metric.total":       "...of all these.",
	"bake.Metric.histogram":   "The base name and labels of a histogram, classic or native, without _bucket.",
	"bake.Metric.gauge":       "A selector of gauges.",
	"bake.Metric.boolean":     "A selector of values that must not be 0.",
	"bake.Metric.expr":        "One value in the source's own language; the weaker evidence.",
	"bake.Metric.by":          "A label of the series, e.g. zone: each of its values is judged by itself too, and the worst decides.",
	"bake.Metric.limit":       "Absolute: 1%, or a mapping of max and min, or of percentiles.",
	"bake.Metric.compare":     "before: no worse than before the deploy.",

	"bake.Pack.pack":    "Ready metrics: envoy, go, grpc, http, istio, jvm, kubernetes, nginx or opentelemetry.",
	"bake.Pack.select":  "Label matchers of the service, without braces.",
	"bake.Pack.control": "Label matchers of what runs beside the new version.",
	"bake.Pack.from":    "The source; may be left out where there is only one.",
	"bake.Pack.name":    "What the metrics' names begin with; default the pack's name.",
	"bake.Pack.without": "Metrics of the pack that are left out.",

	"config.Rollback.reversible": "false: a rollback becomes hold.",
	"config.Rollback.command":    "Shown to people, never run.",

	"registry.Host.ca":          "A PEM file with the certificate authorities to trust beside the system's.",
	"registry.Host.plain-http":  "It has no TLS.",
	"registry.Host.insecure":    "Its certificate is not verified.",
	"registry.Host.mirrors":     "host[:port][/prefix] that are asked first, in this order.",
	"registry.Host.username":    "With password.",
	"registry.Host.password":    "Sent to this host and its token server only.",
	"registry.Host.pull-secret": "NAMESPACE/NAME of a secret in Kubernetes.",
	"registry.Host.at-once":     "How many requests it gets at a time; default 8.",

	"metric.ScrapeOptions.urls": "Instead of url: the metrics page of each process, 50 at most.",
	"metric.ScrapeOptions.dns":  "A name each of whose addresses is a process, asked for with every poll; one that begins with _ has SRV records. url says the rest.",

	"httpx.Remote.url":         "https://host[/prefix], without user and query.",
	"httpx.Remote.headers":     "Sent with every request to this host.",
	"httpx.Remote.ca":          "A PEM file with the certificate authorities to trust beside the system's.",
	"httpx.Remote.client-cert": "A PEM file: who we are, where the service asks for a certificate.",
	"httpx.Remote.client-key":  "Its key, a PEM file.",
	"httpx.Remote.oauth2":      "A token by the client credentials grant.",
	"httpx.Remote.timeout":     "Per request; default 10s.",
	"httpx.Remote.insecure":    "No TLS verification; plain HTTP to a host that is not loopback.",
}

// sortByKey orders the branches of a oneOf by their one key.
func sortByKey(branches []object) {
	key := func(o object) string { return o["required"].([]string)[0] }
	slices.SortFunc(branches, func(a, b object) int { return strings.Compare(key(a), key(b)) })
}
