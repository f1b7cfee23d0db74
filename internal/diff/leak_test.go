package diff_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakegate/bakegate/internal/diff"
)

// Each place is a file that holds $S, a secret: in the previous state one, in the target another, and in a third state none at all.
// word is a secret a person thought up, which nothing but its place gives away; random is one that a machine made.
var places = map[string]struct{ file, text, secret string }{
	"secret-data":           {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {config: $B}", "word"},
	"secret-stringdata":     {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {config: $S}", "word"},
	"secret-in-list":        {"a.yaml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: x}, stringData: {c: $S}}", "word"},
	"secret-nested":         {"values.yaml", "extra:\n- kind: Secret\n  data: {c: $B}", "word"},
	"secret-no-version":     {"a.yaml", "kind: Secret\ndata: {c: $B}", "word"},
	"secret-block":          {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  c: |\n    one\n    $S\n    two", "word"},
	"secret-elsewhere":      {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {c: $B}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {line: say $S here}", "word"},
	"secret-in-key":         {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {c: $S}\n---\nroutes: {$S: a}", "word"},
	"secret-in-name":        {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {c: $S}\n---\napiVersion: v1\nkind: Job\nmetadata: {name: job-$S}", "word"},
	"last-applied":          {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{\"stringData\":{\"c\":\"$S\"}}'", "word"},
	"env":                   {"a.yaml", pod("env: [{name: DB_PASSWORD, value: $S}]"), "word"},
	"env-valued-first":      {"a.yaml", pod("env: [{value: $S, name: apiToken}]"), "word"},
	"env-url":               {"a.yaml", pod("env: [{name: DATABASE_URL, value: 'postgres://app:$S@db/x'}]"), "word"},
	"env-url-odd":           {"a.yaml", pod("env: [{name: DATABASE_URL, value: 'postgres://app:p@q/$S@db/x'}]"), "word"},
	"env-url-no-user":       {"a.yaml", pod("env: [{name: CACHE, value: 'redis://:$S@cache:6379/0'}]"), "word"},
	"env-url-token":         {"a.yaml", pod("env: [{name: REPO, value: 'https://$S@git.acme.dev/x.git'}]"), "word"},
	"env-url-list":          {"a.yaml", pod("env: [{name: HOSTS, value: 'amqp://a:$S@h1,amqp://a:$S@h2'}]"), "word"},
	"env-url-query":         {"a.yaml", pod("env: [{name: J, value: 'jdbc:mysql://db/x?user=a&password=$S&ssl=true'}]"), "word"},
	"env-dsn-go":            {"a.yaml", pod("env: [{name: D, value: 'app:$S@tcp(db:3306)/x'}]"), "word"},
	"env-dsn-libpq":         {"a.yaml", pod("env: [{name: D, value: 'host=db user=a password=$S dbname=x'}]"), "word"},
	"env-dsn-ado":           {"a.yaml", pod("env: [{name: D, value: 'Server=db;User Id=a;Pwd=$S;Database=x'}]"), "word"},
	"env-azure":             {"a.yaml", pod("env: [{name: D, value: 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=$S;EndpointSuffix=x'}]"), "random"},
	"env-duplicate":         {"a.yaml", pod("env: [{name: TOKEN, value: $S}, {name: TOKEN, value: a}]"), "word"},
	"args-equals":           {"a.yaml", pod("args: ['--db-password=$S']"), "word"},
	"args-next":             {"a.yaml", pod("args: [--api-key, $S, --verbose]"), "word"},
	"args-shell":            {"a.yaml", pod("command: [sh, -c, 'export SMTP_PASS=$S; run --token $S --x']"), "word"},
	"args-mysql":            {"a.yaml", pod("command: [sh, -c, 'mysql -uroot -p$S -h db']"), "word"},
	"args-curl":             {"a.yaml", pod("command: [sh, -c, 'curl -u admin:$S https://x']"), "word"},
	"args-header":           {"a.yaml", pod("command: [sh, -c, 'curl -H \"Authorization: Bearer $S\" https://x']"), "word"},
	"probe-header":          {"a.yaml", pod("livenessProbe: {httpGet: {httpHeaders: [{name: Authorization, value: Basic $B}]}}"), "word"},
	"configmap-key":         {"a.yaml", cm("db.password: $S"), "word"},
	"configmap-properties":  {"a.yaml", cm("app.properties: |\n    a=b\n    spring.datasource.password=$S\n    c=d"), "word"},
	"configmap-yaml":        {"a.yaml", cm("app.yaml: |\n    db:\n      password:\n        $S"), "word"},
	"configmap-json":        {"a.yaml", cm("app.json: '{\"db\":{\"password\":\"$S\"}}'"), "word"},
	"configmap-xml":         {"a.yaml", cm("app.xml: '<db><password>$S</password></db>'"), "word"},
	"configmap-json-env":    {"a.yaml", cm("env.json: '[{\"name\":\"DB_PASSWORD\",\"value\":\"$S\"}]'"), "word"},
	"configmap-netrc":       {"a.yaml", cm("x: 'machine h login a password $S'"), "word"},
	"configmap-random":      {"a.yaml", cm("x: $S"), "random"},
	"configmap-pem":         {"a.yaml", cm("x: |\n    -----BEGIN PRIVATE KEY-----\n    $S\n    -----END PRIVATE KEY-----"), "word"},
	"configmap-pem-line":    {"a.yaml", cm("x: '-----BEGIN RSA PRIVATE KEY----- $S'"), "word"},
	"configmap-jwt":         {"a.yaml", cm("x: eyJhbGciOiJIUzI1NiJ9.eyJ.$S"), "word"},
	"configmap-ghp":         {"a.yaml", cm("x: 'git ghp_aaaaaaaaaa$S'"), "alnum"},
	"configmap-aws":         {"a.yaml", cm("x: AKIA$S"), "upper"},
	"configmap-slack":       {"a.yaml", cm("x: https://hooks.slack.com/services/T0/B0/$S"), "word"},
	"configmap-hash":        {"a.yaml", cm("users: 'admin:$$apr1$$abc$$$S'"), "word"},
	"annotation":            {"a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {auth-token: $S, note: 'key=$S'}}", "word"},
	"values-map":            {"values.yaml", "passwords: {admin: $S, list: [$S]}", "word"},
	"values-list":           {"values.yaml", "apiKeys: [a, $S]", "word"},
	"values-deep":           {"values.yaml", "credentials: {db: {x: {y: $S}}}", "word"},
	"values-number":         {"values.yaml", "pin: 1\ndbPassword: 99$N", "number"},
	"values-key":            {"values.yaml", "tokens: {ghp_aaaaaaaaaa$S: admin}", "alnum"},
	"values-key-url":        {"values.yaml", "repos: {'https://u:$S@git/x': 1}", "word"},
	"values-item-name":      {"values.yaml", "list: [{name: 'https://u:$S@git/x', v: 1}, {name: b}]", "word"},
	"values-order":          {"values.yaml", "steps: [{name: 'https://u:$S@git/x'}, {name: b}]", "word"},
	"values-bag":            {"values.yaml", "metadata: {finalizers: ['https://u:$S@git/x']}", "word"},
	"values-multi-token":    {"values.yaml", "x: \"$S $S\"", "random"},
	"values-base64-pair":    {"values.yaml", "auths: {registry: {auth: $B}}", "word"},
	"values-shape":          {"values.yaml", "secret: {a: $S}", "word"},
	"json-file":             {"a.json", "{\"password\": \"$S\", \"n\": [{\"name\": \"x-api-key\", \"value\": \"$S\"}]}", "word"},
	"dotenv":                {".env", "DB_PASSWORD=$S\nexport STRIPE_KEY='$S'\nAPI_SECRET: \"$S\"\n", "word"},
	"dotenv-url":            {".env", "DATABASE_URL=postgres://a:$S@h/x\n", "word"},
	"dotenv-lines":          {".env", "PRIVATE_KEY=\"-----BEGIN X-----\n$S\n-----END X-----\"\n", "word"},
	"object-name":           {"a.yaml", "apiVersion: v1\nkind: Job\nmetadata: {name: 'ghp_aaaaaaaaaa$S'}", "alnum"},
	"namespace":             {"a.yaml", "apiVersion: v1\nkind: Job\nmetadata: {name: a, namespace: 'ghp_aaaaaaaaaa$S'}", "alnum"},
	"comment":               {"a.yaml", "x: 1 # password: $S\n# $S", "word"},
	"file-name":             {"ghp_aaaaaaaaaa$S.yaml", "x: 1", "alnum"},
	"folder-name":           {"ghp_aaaaaaaaaa$S/a.yaml", "x: 1", "alnum"},
	"odd-elsewhere":         {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {c: '$S'}\n---\na: 'say $S'\nb: 'https://h/?x=$Q'\nc: $B", "odd"},
	"annotation-json":       {"a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {conf: '{\"auth\": {\"password\": \"$S\"}}'}}", "word"},
	"annotation-json-2":     {"a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {conf: '{\"x\": \"{\\\"token\\\": \\\"$S\\\"}\"}'}}", "word"},
	"label-value":           {"a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s, labels: {token: $S}}", "word"},
	"env-basic-auth":        {"a.yaml", pod("env: [{name: HEADERS, value: 'Authorization: Basic $A'}]"), "word"},
	"env-docker-config":     {"a.yaml", pod("env: [{name: X, value: '{\"auths\": {\"r.acme.dev\": {\"auth\": \"$A\"}}}'}]"), "word"},
	"env-mongo":             {"a.yaml", pod("env: [{name: M, value: 'mongodb+srv://app:$S@cluster0.x.mongodb.net/db?retryWrites=true'}]"), "word"},
	"env-sqlserver":         {"a.yaml", pod("env: [{name: M, value: 'sqlserver://sa:$S@db:1433?database=x'}]"), "word"},
	"env-odbc":              {"a.yaml", pod("env: [{name: M, value: 'Driver={ODBC Driver 18};Server=db;UID=a;PWD=$S;Encrypt=yes'}]"), "word"},
	"env-jdbc-oracle":       {"a.yaml", pod("env: [{name: M, value: 'jdbc:oracle:thin:app/$S@db:1521/x'}]"), "word"},
	"env-service-bus":       {"a.yaml", pod("env: [{name: M, value: 'Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=$S'}]"), "word"},
	"env-clickhouse":        {"a.yaml", pod("env: [{name: M, value: 'tcp://ch:9000?username=a&password=$S&database=x'}]"), "word"},
	"env-kafka-jaas":        {"a.yaml", pod("env: [{name: M, value: 'org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a\" password=\"$S\";'}]"), "word"},
	"env-smtp":              {"a.yaml", pod("env: [{name: M, value: 'smtps://a%40acme.dev:$S@mail:465'}]"), "word"},
	"env-ldap":              {"a.yaml", pod("env: [{name: M, value: 'ldaps://cn=admin,dc=acme:$S@ldap'}]"), "word"},
	"env-elastic":           {"a.yaml", pod("env: [{name: M, value: 'http://elastic:$S@es-0:9200,http://elastic:$S@es-1:9200'}]"), "word"},
	"env-sentry":            {"a.yaml", pod("env: [{name: SENTRY, value: 'https://$S@o1.ingest.sentry.io/1'}]"), "hex"},
	"env-aws-secret":        {"a.yaml", pod("env: [{name: X, value: $S}]"), "aws"},
	"env-github-pat":        {"a.yaml", pod("env: [{name: X, value: github_pat_11AAAAAAA_$S}]"), "alnum"},
	"env-gitlab":            {"a.yaml", pod("env: [{name: X, value: glpat-aaaaaaaa$S}]"), "alnum"},
	"env-slack-bot":         {"a.yaml", pod("env: [{name: X, value: xoxb-123456789-$S}]"), "alnum"},
	"env-stripe":            {"a.yaml", pod("env: [{name: X, value: sk_live_$S}]"), "alnum"},
	"env-sendgrid":          {"a.yaml", pod("env: [{name: X, value: SG.aaaaaaaaaaaa.$S}]"), "alnum"},
	"env-google":            {"a.yaml", pod("env: [{name: X, value: AIzaaaaaaaaaaaa$S}]"), "alnum"},
	"env-npm":               {"a.yaml", pod("env: [{name: X, value: npm_aaaaaaaa$S}]"), "alnum"},
	"env-telegram":          {"a.yaml", pod("env: [{name: X, value: 'https://api.telegram.org/bot$S/sendMessage'}]"), "word"},
	"env-discord":           {"a.yaml", pod("env: [{name: X, value: 'https://discord.com/api/webhooks/1/$S'}]"), "word"},
	"env-teams":             {"a.yaml", pod("env: [{name: X, value: 'https://acme.webhook.office.com/webhookb2/$S'}]"), "word"},
	"env-sas":               {"a.yaml", pod("env: [{name: X, value: 'https://x.blob.core.windows.net/c?sv=2024&sig=$S'}]"), "word"},
	"env-s3-signed":         {"a.yaml", pod("env: [{name: X, value: 'https://b.s3.amazonaws.com/k?X-Amz-Expires=9&X-Amz-Signature=$S'}]"), "word"},
	"env-jwt":               {"a.yaml", pod("env: [{name: X, value: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.$S'}]"), "alnum"},
	"env-shape":             {"a.yaml", pod("env: [{name: API_TOKEN, value: {nested: [$S]}}]"), "word"},
	"args-set":              {"a.yaml", pod("args: ['--set=db.password=$S', --set, 'redis.auth.password=$S']"), "word"},
	"args-pgpassword":       {"a.yaml", pod("command: [sh, -c, 'PGPASSWORD=$S psql -h db']"), "word"},
	"args-redis":            {"a.yaml", pod("command: [sh, -c, 'redis-cli -h r -a $S ping']"), "word"},
	"args-sshpass":          {"a.yaml", pod("command: [sh, -c, 'sshpass -p $S ssh h']"), "word"},
	"args-api-key-header":   {"a.yaml", pod("args: [-H, 'X-Api-Key: $S']"), "word"},
	"args-sql":              {"a.yaml", pod("args: [\"CREATE USER a IDENTIFIED BY '$S'\"]"), "word"},
	"args-reordered":        {"a.yaml", pod("args: ['--api-key=$S', --a, --b]"), "word"},
	"block-scalar":          {"a.yaml", cm("notes: |\n    the admin's login\n    password: $S\n    ask ops"), "word"},
	"folded-scalar":         {"a.yaml", cm("notes: >-\n    one two\n    token=$S three"), "word"},
	"toml-in-configmap":     {"a.yaml", cm("c.toml: |\n    [db]\n    password = \"$S\"\n    host = \"h\""), "word"},
	"ini-in-configmap":      {"a.yaml", cm("c.ini: |\n    [db]\n    password = $S\n    host = h"), "word"},
	"dotenv-in-configmap":   {"a.yaml", cm("c.env: |\n    DB_PASSWORD=$S\n    HOST=h"), "word"},
	"prometheus-basic-auth": {"a.yaml", cm("prometheus.yml: |\n    scrape_configs:\n    - job_name: a\n      basic_auth: {username: u, password: $S}"), "word"},
	"kubeconfig":            {"a.yaml", cm("config: |\n    users:\n    - name: a\n      user: {client-key-data: $B, token: $S}"), "word"},
	"npmrc":                 {"a.yaml", cm(".npmrc: |\n    registry=https://r\n    //r/:_authToken=$S"), "word"},
	"pgpass":                {"a.yaml", cm(".pgpass: 'db:5432:x:app:$S'"), "word"},
	"nginx-header":          {"a.yaml", cm("nginx.conf: |\n    location / {\n      proxy_set_header Authorization \"Basic $A\";\n    }"), "word"},
	"pem-block":             {"a.yaml", cm("tls.crt: |\n    -----BEGIN EC PRIVATE KEY-----\n    MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY\n    $S\n    -----END EC PRIVATE KEY-----\n    after"), "word"},
	"openssh-key":           {"values.yaml", "deploy: |\n  -----BEGIN OPENSSH PRIVATE KEY-----\n  $S\n  -----END OPENSSH PRIVATE KEY-----", "word"},
	"secret-dockerconfig":   {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ntype: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: $D}", "word"},
	"secret-binary":         {"a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {c: $B}\n---\nx: 'in base64 $B it is'", "word"},
	"sealed-secret":         {"a.yaml", "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: x}\nspec: {encryptedData: {c: $S}}", "word"},
	"external-generator":    {"a.yaml", "apiVersion: x/v1\nkind: Password\nmetadata: {name: x}\nspec: {password: {value: $S}}", "word"},
	"compose-environment":   {"compose.yaml", "services:\n  web:\n    image: a\n    environment:\n    - DB_PASSWORD=$S\n    - URL=postgres://a:$S@h/x", "word"},
	"ecs-environment":       {"task.json", "{\"family\": \"a\", \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"b\", \"environment\": [{\"name\": \"DB_PASSWORD\", \"value\": \"$S\"}]}]}", "word"},
	"tfvars":                {"a.tfvars", "db_password = \"$S\"\nregion = \"x\"", "word"},
	"toml-file":             {"a.toml", "[db]\npassword = \"$S\"", "word"},
	"properties-file":       {"a.properties", "spring.datasource.password=$S\nx=y", "word"},
	"env-renamed":           {"a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a-ghp_aaaaaaaaaa$S'}\ndata: {a: 1, b: 2, c: 3, d: 4, e: 5}", "alnum"},
	"namespaced-url":        {"a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: 'https://u:$S@x'}\ndata: {a: 1}", "word"},
	"ordered-names":         {"a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {initContainers: [{name: 'ghp_aaaaaaaaaa$S'}, {name: b}]}", "alnum"},
	"volume-path":           {"a.yaml", pod("volumeMounts: [{mountPath: '/run/ghp_aaaaaaaaaa$S', name: v}]"), "alnum"},
	"swapped-words":         {"a.yaml", cm("x: https://u:$S@staging.acme.dev/"), "word"},
	"type-changed":          {"values.yaml", "apiKey: [$S]", "word"},
}

func pod(container string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: app\n    " + container
}

func cm(data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  " + data
}

// secrets gives two secrets of a sort that differ in part, so that a difference that is shown would show them.
func secrets(sort string) (a, b string) {
	switch sort {
	case "random":
		return "q7Gx2LmZ9vTb4KcW8nRd1HsY", "q7Gx2LmZ9vUe5JfX3pAa6MtQ"
	case "alnum":
		return "Zb4kQ92xYtWm", "Zb4kQ92pLsVn"
	case "upper":
		return "QX7ZP2MWK4VB9RTD", "QX7ZP2MWK4VB1JHF"
	case "number":
		return "4815162342", "4815199999"
	case "odd":
		return "p@ss/W%rd+Two 77", "p@ss/W%rd+Six 99"
	case "hex":
		return "0123456789abcdef0123456789abcdef", "0123456789abcdeffedcba9876543210"
	case "aws":
		return "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENGxkQ2Rt5Yw9LpZcVbN4hJ"
	}
	return "hunter-Two.77", "hunter-Six.99"
}

func fill(text, secret string) string {
	encoded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	login := encoded("admin:" + secret)
	return strings.NewReplacer("$$", "$", "$S", secret, "$B", encoded(secret), "$N", secret, "$Q", url.QueryEscape(secret), "$A", login,
		"$D", encoded(`{"auths": {"r.acme.dev": {"auth": "`+login+`"}}}`)).Replace(text)
}

// unseen are places that are not compared, and names of files, which are no difference.
var unseen = map[string]bool{"last-applied": true, "comment": true, "file-name": true, "folder-name": true}

func TestNoSecretLeaks(t *testing.T) {
	rules := diff.Rules{Forbid: []diff.Forbid{{Path: "**", Reason: "no"}}, Expect: []diff.Expect{{Path: "nothing.here", Reason: "x"}}}
	for name, p := range places {
		t.Run(name, func(t *testing.T) {
			a, b := secrets(p.secret)
			root := t.TempDir()
			state := func(dir, file, text string) diff.Tree {
				put(t, filepath.Join(root, dir, file), text)
				put(t, filepath.Join(root, dir, "zz.yaml"), "there: 1")
				return snapshot(t, root, dir)
			}
			x, y := state("previous", fill(p.file, a), fill(p.text, a)), state("target", fill(p.file, b), fill(p.text, b))
			none := diff.Tree{Name: "none", Objects: []diff.Object{x.Objects[len(x.Objects)-1]}}
			bare := state("bare", strings.ReplaceAll(p.file, "$S", ""), map[string]string{".env": "A=1", "a.json": "{}"}[p.file]) // the file is there, the values are not
			o := diff.Options{Rules: rules, Today: today}
			changed := o.Compare(x, y)
			if !unseen[name] && len(changed.Changes) == 0 {
				t.Fatal("the secret changed, and no difference was found")
			}
			for _, r := range []diff.Result{changed, o.Compare(x, none), o.Compare(none, y),
				o.Compare(x, bare), o.Compare(bare, y)} {
				refuse(t, r, a, b)
			}
		})
	}
	if len(places) < 130 {
		t.Errorf("%d places, want at least 130", len(places))
	}
}

// refuse looks for a secret, or a half of one, in everything that a caller can print.
func refuse(t *testing.T, r diff.Result, secrets ...string) {
	t.Helper()
	js, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	text := string(js) + fmt.Sprintf("%+v", r)
	for _, c := range r.Changes {
		text += c.Where() + c.What()
	}
	for _, s := range secrets {
		half := len(s) / 2
		for _, form := range []string{s, s[:half+1], s[half:], base64.StdEncoding.EncodeToString([]byte(s))} {
			if i := strings.Index(text, form); i >= 0 {
				t.Fatalf("%q is in …%s…", form, text[max(0, i-150):min(len(text), i+80)])
			}
		}
	}
}

func put(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is no secret must be readable, or nobody leaves the masking on.
func TestShown(t *testing.T) {
	for _, c := range []struct{ text, from, to string }{
		{"image: ghcr.io/a/b:$", "3f786850e387550fdab836ed7e6dc881de23001b", "89e6c98d92887913cadf06b2adb97f26cde4849b"},
		{"x: nginx:1.$@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "25", "26"},
		{"secretName: tls-$", "staging", "production"},
		{"automountServiceAccountToken: $", "true", "false"},
		{"spec: {volumes: [{name: a, secret: {secretName: b-$}}]}", "staging", "production"},
		{"topologyKey: kubernetes.io/$", "zone", "hostname"},
		{"x: arn:aws:acm:eu-west-1:$:certificate/1b4e28ba-2fa1-11d2-883f-0016d3cca427", "111111111111", "222222222222"},
		{"x: arn:aws:secretsmanager:eu-west-1:1:secret:$/db", "staging", "production"},
		{"x: https://$.acme.dev:8443/npm/@scope/pkg", "staging", "production"},
		{"x: mailto:$@acme.dev", "ops", "dev"},
		{"x: ssh://git@$.acme.dev/x", "a", "b"},
		{"x: my-service-$-postgresql-primary-headless-v2", "staging", "production"},
		{"x: 1b4e28ba-2fa1-11d2-883f-$", "0016d3cca427", "0016d3cca428"},
		{"x: 2026-11-21T08:00:0$Z", "0", "1"},
		{"x: /usr/local/share/App2/Data/Config$/settings", "A", "B"},
		{"x: -Xmx$m -XX:+UseG1GC -Dfile.encoding=UTF-8", "512", "1024"},
		{"x: com.acme.checkout.PaymentServiceV2Factory$Impl", "Staging", "Production"},
		{"k8sExternalDomainSuffix: $", "a", "b"},
		{"x: k8sExternalDomainSuffix$", "A", "B"},
		{"x: sha512-q7Gx2LmZ9vTb4KcW8nRd1HsYq7Gx2LmZ9vTb4KcW8nRd1HsY$", "a", "b"},
		{"maxTokens: $", "100", "200"},
		{"tokenUrl: https://$/token", "a", "b"},
		{"username: $", "alice", "bob"},
	} {
		root := t.TempDir()
		put(t, filepath.Join(root, "p", "v.yaml"), strings.Replace(c.text, "$", c.from, 1))
		put(t, filepath.Join(root, "t", "v.yaml"), strings.Replace(c.text, "$", c.to, 1))
		r := diff.Options{Today: today}.Compare(snapshot(t, root, "p"), snapshot(t, root, "t"))
		if len(r.Changes) != 1 || r.Changes[0].Secret || !strings.Contains(r.Changes[0].From, c.from) || !strings.Contains(r.Changes[0].To, c.to) {
			t.Errorf("%s: got %+v, want %s and %s shown", c.text, r.Changes, c.from, c.to)
		}
	}
}

// Random texts are hidden wherever they stand; what the rate misses are those that look like words by chance.
func TestRandomIsHidden(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for alphabet, want := range map[string]int{"base64": 950, "base36": 850, "hex": 1000, "letters": 900} {
		hidden := 0
		for range 1000 {
			n := 24
			chars := map[string]string{"base36": low + dig, "hex": "0123456789abcdef", "base64": low + up + dig + "+/", "letters": low + up}[alphabet]
			if alphabet == "hex" {
				n = 32
			}
			text := make([]byte, n)
			for i := range text {
				text[i] = chars[rng.IntN(len(chars))]
			}
			tree := func(v string) diff.Tree {
				return diff.Tree{Name: "x", Objects: []diff.Object{{Name: "f", Root: &diff.Node{IsMap: true, Fields: map[string]*diff.Node{"x": {Type: "string", Value: v}}}}}}
			}
			if r := (diff.Options{Today: today}).Compare(tree("a"), tree(string(text))); !strings.Contains(fmt.Sprint(r), string(text)) {
				hidden++
			}
		}
		if t.Logf("%s: %d of 1000 hidden", alphabet, hidden); hidden < want {
			t.Errorf("%s: %d of 1000 hidden, want %d", alphabet, hidden, want)
		}
	}
}

const (
	low = "abcdefghijklmnopqrstuvwxyz"
	up  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	dig = "0123456789"
)
