package diff

import (
	"strings"
	"unicode"
)

// A value is secret by its place: in the data of a Secret, under a name that says so, behind a flag that says so, beside a name that
// says so. scope carries that down the tree.
type scope struct {
	// always: everything below is secret (a Secret's data). named: by a name, so that true and false are none, and neither is what
	// only tells where the secret is (secretName, secretKeyRef).
	always, named bool
	hex           bool // digests and commits may stand here
}

// secret says whether this scalar must not be shown.
func (s scope) secret(n *Node) bool { return n.Type == TypeSecret || s.hides(n) }

// hides says so by the place alone.
func (s scope) hides(n *Node) bool {
	if s.always {
		return true
	}
	return s.named && n.Type != "bool" && n.Type != "null" && !saysNothing(n.Value)
}

// saysNothing are texts that switch something on or off: a dotenv file knows texts alone.
func saysNothing(v string) bool {
	switch strings.ToLower(v) {
	case "true", "false", "yes", "no", "on", "off":
		return true
	}
	return false
}

// field gives the scope of a field.
func (m *masker) field(s scope, parent *Node, key string) scope {
	if n := parent.Fields[key]; n != nil {
		s.always = s.always || n.Secret
	}
	return m.below(s, parent, key)
}

// below is field by the names alone.
func (m *masker) below(s scope, parent *Node, key string) scope {
	k := m.kind(key)
	child := scope{always: s.always, hex: k.hex}
	switch {
	case (key == "data" || key == "stringData") && isSecretObject(parent), key == "stringData", key == "encryptedData", key == lastApplied:
		child.always = true
	case k.secret:
		child.named = true
	case s.named && !k.about:
		child.named = true
	case isValue(key) && m.beside(parent):
		child.named = true
	}
	return child
}

func isSecretObject(n *Node) bool {
	k := n.text("kind")
	return k == "Secret" || k == "SealedSecret"
}

func isValue(key string) bool {
	switch strings.ToLower(key) {
	case "value", "val", "default", "defaultvalue", "values", "content", "text":
		return true
	}
	return false
}

// beside says whether a mapping names, in one field, what another one holds: {name: DB_PASSWORD, value: x}.
func (m *masker) beside(parent *Node) bool {
	for _, f := range []string{"name", "key", "Name", "Key", "id", "field", "property", "header", "variable", "env"} {
		if t := parent.text(f); t != "" && m.kind(t).secret {
			return true
		}
	}
	return false
}

// item gives the scope of a list's item: behind a flag of its own (--password, x) it is secret.
func (m *masker) item(s scope, list *Node, i int) scope {
	s.always = s.always || list.Items[i].Secret
	if i == 0 || !list.Items[i].scalar() || !list.Items[i-1].scalar() {
		return s
	}
	flag := list.Items[i-1].Value
	if len(flag) < 100 && strings.HasPrefix(flag, "-") && !strings.Contains(flag, "=") && m.kind(strings.TrimLeft(flag, "-")).secret {
		s.named = true
	}
	return s
}

// nameKind is what a name says of its value.
type nameKind struct {
	secret bool // it is a secret
	about  bool // it is about one: where it is, how long it lives
	hex    bool // digests and commits may stand here
}

// kind looks at a name. The answers are kept: a configuration has few different keys.
func (m *masker) kind(name string) nameKind {
	if k, ok := m.kinds[name]; ok {
		return k
	}
	k := kindOf(name)
	if len(m.kinds) < 100_000 {
		m.kinds[name] = k
	}
	return k
}

func kindOf(name string) nameKind {
	if len(name) > 300 {
		name = name[:300]
	}
	words := wordsOf(name)
	if len(words) == 0 {
		return nameKind{}
	}
	last, joined := words[len(words)-1], strings.Join(words, "")
	k := nameKind{
		about: aboutWords[last] && !strings.Contains(joined, "webhookurl") && !strings.Contains(joined, "connectionuri") || limitWords[words[0]] && len(words) > 1 || strings.HasPrefix(joined, "existingsecret"),
	}
	for _, w := range words {
		k.hex = k.hex || hexWords[w]
	}
	k.secret = !k.about && saysSecret(name, words, joined)
	return k
}

func saysSecret(name string, words []string, joined string) bool {
	for _, part := range secretParts {
		if strings.Contains(joined, part) && !strings.Contains(joined, "tokeniz") {
			return true
		}
	}
	last := words[len(words)-1]
	if secretWords[last] || secretWords[strings.TrimSuffix(last, "s")] {
		return true
	}
	for _, w := range words {
		if secretAnywhere[w] || len(w) > 4 && strings.HasSuffix(w, "pass") && !passWords[w] {
			return true
		}
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 && keyFiles[strings.ToLower(name[i+1:])] {
		return true
	}
	return (last == "key" || last == "keys") && len(words) > 1 && !openKeys[words[len(words)-2]]
}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

var (
	// secretParts say it anywhere in a name, written together.
	secretParts = strings.Fields(`password passwd passphrase passcode secret token apikey privatekey accesskey authkey signingkey encryptionkey
		masterkey sharedkey accountkey credential connectionstring connstr connectionuri htpasswd netrc npmrc pgpass dockerconfigjson dockercfg
		kubeconfig keystore truststore idrsa ided25519 idecdsa authorization cookie hmac webhookurl`)
	// secretAnywhere say it as a word of a name, secretWords as its last one.
	secretAnywhere = set("pwd pass passwort creds cred jwt bearer dsn psk")
	secretWords    = set("auth pat sas salt otp totp pepper nonce pin userpass rootpw pw sig signature session")
	passWords      = set("bypass compass encompass surpass trespass underpass overpass")
	// aboutWords end the name of what is about a secret, and is none.
	aboutWords = set(`name names ref refs namespace kind version group path file filename dir directory url uri endpoint host expiry expires expiration
		ttl seconds minutes hours days length count size enabled disabled required optional policy type algorithm alg provider class mount mounts engine
		rotation limit bytes interval timeout format prefix suffix header field fields selector audience issuer scope scopes mode items readonly
		domain samesite manager operator store stores template templates driver enable region username user`)
	limitWords = set("max min num count")
	hexWords   = set("image images digest tag commit sha sha1 sha256 sha512 revision rev checksum hash version etag fingerprint thumbprint integrity")
	keyFiles   = set("key pem p12 pfx jks ppk keytab asc gpg")
	// openKeys stand before "key" where the key is no secret.
	openKeys = set(`public pub topology foreign primary partition sort range routing cache group label annotation config map object index hash row
		record match host node item field group lookup dedup idempotency translation message i18n ref the property column bucket s3 dictionary
		secret-key selector taint toleration policy metadata`)
)

// wordsOf splits a name at what is no letter or digit, and where a capital begins a word, in lower case.
func wordsOf(s string) []string {
	var words []string
	rs := []rune(s)
	start := -1
	flush := func(end int) {
		if start >= 0 {
			words = append(words, strings.ToLower(string(rs[start:end])))
		}
		start = -1
	}
	for i, r := range rs {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush(i)
			continue
		}
		begins := unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1]))
		if start >= 0 && begins {
			flush(i)
		}
		if start < 0 {
			start = i
		}
	}
	flush(len(rs))
	return words
}
