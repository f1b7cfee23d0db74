package diff

import (
	"slices"
	"strings"
)

// meaning is what the name of a setting says of its value.
type meaning uint32

const (
	verifies     meaning = 1 << iota // false switches the verification of certificates off
	trusts                           // true switches it off
	sslMode                          // disable and allow do
	encrypts                         // true: TLS is used
	debugs                           // true switches debugging on
	logLevel                         // debug and trace are much
	mode                             // development is no production
	protects                         // true protects data
	destroysData                     // true loses data
	keepsDays                        // for so long is data kept
	sizesUp                          // an amount of something
	machine                          // a class of machine
	opensUp                          // true: can be reached from outside
	breaks                           // true: a circuit breaker works
	counts                           // a number of replicas
	bounds                           // a bound of an autoscaler
	watches                          // true: something is watched
)

// sayings are names that say it by themselves, in small letters and without punctuation.
var sayings = map[meaning]string{
	verifies: "nodetlsrejectunauthorized rejectunauthorized pythonhttpsverify strictssl verifyssl",
	trusts:   "gitsslnoverify",
	sslMode:  "sslmode pgsslmode",
	encrypts: "usessl usetls sslenabled tlsenabled",
	mode: `nodeenv railsenv rackenv appenv flaskenv mixenv ginmode aspnetcoreenvironment dotnetenvironment springprofilesactive djangoenv goenv
		symfonyenv`,
	logLevel: "loglevel rustlog logginglevel verbosity",
	protects: `multiaz multiazenabled deletionprotection deletionprotectionenabled enabledeletionprotection storageencrypted pointintimerecovery
		pointintimerecoveryenabled preventdestroy automaticfailoverenabled georedundantbackupenabled`,
	destroysData: "skipfinalsnapshot forcedestroy",
	keepsDays:    "backupretentionperiod backupretentiondays backupretention snapshotretentionlimit",
	sizesUp: `allocatedstorage maxallocatedstorage volumesize disksize numcachenodes numcacheclusters numbercacheclusters replicaspernodegroup
		readcapacity writecapacity`,
	machine: "instanceclass instancetype nodetype cachenodetype machinetype databasetier",
	opensUp: "publiclyaccessible publicaccess publicnetworkaccessenabled",
	counts:  "replicas replicacount desiredcount desiredcapacity numreplicas",
	bounds: `minreplicas maxreplicas minreplicacount maxreplicacount minsize maxsize mincapacity maxcapacity autoscalingenabled
		autoscaleenabled`,
	breaks:  "circuitbreakerenabled",
	watches: "servicemonitorenabled metricsenabled prometheusruleenabled alertsenabled",
}

// exactly is what each of them says.
var exactly = func() map[string]meaning {
	all := map[string]meaning{}
	for m, names := range sayings {
		for _, n := range strings.Fields(names) {
			all[n] = m
		}
	}
	return all
}()

// meaningOf looks at a setting's name.
func meaningOf(name string) meaning {
	if len(name) > 100 {
		return 0
	}
	words := wordsOf(name)
	if m, ok := exactly[strings.Join(words, "")]; ok {
		return m
	}
	has := func(list ...string) bool {
		for _, w := range words {
			for _, l := range list {
				if w == l {
					return true
				}
			}
		}
		return false
	}
	tls := has("ssl", "tls", "cert", "certs", "certificate", "certificates", "hostname", "peer", "https", "x509", "host")
	negated := has("no", "skip", "disable", "disabled", "ignore", "without", "bypass")
	switch {
	case has("insecure", "insecureskipverify") && !has("request", "requests", "port", "registries", "registry", "policy"),
		negated && has("ssl", "tls", "cert", "certificate", "certificates", "verify") &&
			has("verify", "verification", "validation", "check", "errors", "ssl", "tls", "cert"),
		has("trust") && has("all") && tls:
		return trusts
	case tls && has("verify", "verification", "validate", "validation", "reject", "strict"):
		return verifies
	case has("debug", "debugging") && !has("port", "image", "address", "host", "level"):
		return debugs
	case has("log", "logging", "logger") && has("level"):
		return logLevel
	case has("circuit") && has("breaker", "breakers") && has("enabled", "enable"):
		return breaks
	}
	return 0
}

// setting looks at a value by what its name means. enabled takes the name of what it stands in.
func (w *survey) setting(name string, m meaning, x both) {
	if name == "enabled" || name == "enable" {
		if name = w.key(1); name == "" {
			return
		}
		if m = w.known(name + "_enabled").meaning; m == 0 {
			m = w.known(name).meaning
		}
	}
	if m != 0 {
		w.judge(m, x, x)
	}
}

// flag looks at an argument of a command: --name=value, --name value, or --name alone. j is its index in the target's list.
func (w *survey) flag(list both, j int) {
	items := list.b.Items
	if !items[j].scalar() || !strings.HasPrefix(items[j].Value, "-") || len(items[j].Value) > maxShown {
		return
	}
	name, _, _ := strings.Cut(strings.TrimLeft(items[j].Value, "-"), "=")
	m := w.known(name).meaning
	if m == 0 {
		return
	}
	_, v := flagAt(items, j)
	x, shown := both{b: v}, both{b: items[j]}
	if list.a != nil {
		for i := range list.a.Items[:min(len(list.a.Items), 1000)] {
			if n, before := flagAt(list.a.Items, i); n == name {
				x.a, shown.a = before, list.a.Items[i]
				break
			}
		}
	}
	w.judge(m, x, shown)
}

// flagAt gives the flag at an index, "" where there is none.
func flagAt(items []*Node, i int) (name string, value *Node) {
	if !items[i].scalar() || !strings.HasPrefix(items[i].Value, "-") {
		return "", nil
	}
	name, text, ok := strings.Cut(strings.TrimLeft(items[i].Value, "-"), "=")
	if !ok {
		text = "true"
		if i+1 < len(items) && items[i+1].scalar() && !strings.HasPrefix(items[i+1].Value, "-") {
			text = items[i+1].Value
		}
	}
	return name, &Node{Value: text, Type: "string"}
}

// on and off are how people write it.
func on(n *Node) bool { return says(n, "true", "1", "yes", "on") }

func off(n *Node) bool { return says(n, "false", "0", "no", "off") }

func says(n *Node, words ...string) bool {
	return isScalar(n) && slices.Contains(words, strings.ToLower(n.Value))
}
