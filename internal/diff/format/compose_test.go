package format

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestCompose(t *testing.T) {
	reads{
		{"short forms", "docker-compose.staging.yml", `services:
  web:
    image: acme/web:1
    environment:
      - LOG=info
      - "CFG={\"a\": 1}"
      - FROM_SHELL
    ports: ["8080:80", "127.0.0.1:9000-9001:9000-9001/udp", 443, "${P:-81}:81", "[::1]:82:82"]
    volumes: [data:/data, ./x:/x:ro, /anon]
    depends_on: [db]
    networks: [front]
    env_file: a.env
    build: .
    healthcheck: {test: curl -f x}
    labels: [a=b]
volumes: {data: }
`, `
/docker-compose.staging.yml compose
services.web.build.context=. string 13:5
services.web.depends_on.db={}  10:18
services.web.env_file[0].path=a.env string 12:5
services.web.environment.CFG="{\"a\": 1}" string 6:9
services.web.environment.CFG#json.a=1 number 6:9
services.web.environment.FROM_SHELL= null 7:9
services.web.environment.LOG=info string 5:9
services.web.healthcheck.test[0]=CMD-SHELL string 14:19
services.web.healthcheck.test[1]="curl -f x" string 14:19
services.web.image=acme/web:1 string 3:5
services.web.labels.a=b string 15:14
services.web.networks.front={}  11:16
services.web.ports.443/tcp={}  8:61
services.web.ports.80/tcp.published=8080 string 8:13
services.web.ports.81/tcp.published=${P:-81} string 8:66
services.web.ports.82/tcp.host_ip=::1 string 8:81
services.web.ports.82/tcp.published=82 string 8:81
services.web.ports.9000-9001/udp.host_ip=127.0.0.1 string 8:24
services.web.ports.9000-9001/udp.published=9000-9001 string 8:24
services.web.volumes./anon.type=volume string 9:38
services.web.volumes./data.source=data string 9:15
services.web.volumes./data.type=volume string 9:15
services.web.volumes./x.read_only=true bool 9:27
services.web.volumes./x.source=./x string 9:27
services.web.volumes./x.type=bind string 9:27
volumes.data= null 16:11`},
		{"a target that is published twice", "compose.yaml", "services:\n  a:\n    ports: [{target: 80, published: 1}, {target: 80, published: 2, mode: host}]\n", `
/compose.yaml compose
services.a.ports.:1:80/tcp.published=1 string 3:26
services.a.ports.:2:80/tcp.mode=host string 3:68
services.a.ports.:2:80/tcp.published=2 string 3:54`},
		{"forms that are not known", "compose.yaml", "services:\n  a:\n    ports: x\n    volumes: [[1]]\n    environment: y\n    depends_on: [{a: 1}]\n    labels: [{b: 2}]\n  b:\n", `
/compose.yaml compose
services.a.depends_on[0].a=1 number 6:19
services.a.environment=y string 5:5
services.a.labels[0].b=2 number 7:15
services.a.ports=x string 3:5
services.a.volumes[0][0]=1 number 4:16
services.b= null 8:3`},
		{"by its content", "stack.yml", "services:\n  a: {image: x, deploy: {replicas: 2, labels: [b=c]}}\nx-y: 1\n", `
/stack.yml compose
services.a.deploy.labels.b=c string 2:48
services.a.deploy.replicas=2 number 2:26
services.a.image=x string 2:7
x-y=1 number 3:1`},
		{"Helm values that look like it", "values.yml", "services:\n  a: {image: {tag: x}}\n", "/values.yml yaml\nservices.a.image.tag=x string 2:15"},
		{"Helm values with more", "values.yml", "services:\n  a: {image: x, replicaCount: 2}\n", "/values.yml yaml\nservices.a.image=x string 2:7\nservices.a.replicaCount=2 number 2:17"},
	}.run(t)
}

// Two ways to write the same are the same.
func TestComposeForms(t *testing.T) {
	for short, long := range map[string]string{
		`ports: ["8080:80"]`:                `ports: [{target: 80, published: "8080", protocol: tcp, mode: ingress}]`,
		`ports: [53/udp]`:                   `ports: [{target: 53, protocol: udp}]`,
		`ports: ["127.0.0.1::80"]`:          `ports: [{target: 80, host_ip: 127.0.0.1}]`,
		`ports: [1, 2]`:                     `ports: ["2", "1"]`,
		`volumes: [db:/data]`:               `volumes: [{type: volume, source: db, target: /data}]`,
		`volumes: ["./a:/b:ro"]`:            `volumes: [{type: bind, source: ./a, target: /b, read_only: true}]`,
		`volumes: ['C:\a:/b']`:              `volumes: [{type: bind, source: 'C:\a', target: /b}]`,
		`environment: [A=1, B=x=y, C]`:      `environment: {C: , B: x=y, A: 1}`,
		`depends_on: [a]`:                   `depends_on: {a: {condition: service_started}}`,
		`networks: [a, b]`:                  `networks: {b: , a: {}}`,
		`env_file: a`:                       `env_file: [{path: a, required: true}]`,
		`build: ./a`:                        `build: {context: ./a}`,
		`build: {context: a, args: [B=1]}`:  `build: {context: a, args: {B: "1"}}`,
		`healthcheck: {test: curl x}`:       `healthcheck: {test: [CMD-SHELL, curl x]}`,
		`sysctls: [net.core.somaxconn=1]`:   `sysctls: {net.core.somaxconn: 1}`,
		`deploy: {labels: [a=b]}`:           `deploy: {labels: {a: b}}`,
		`ports: ["80:80", "81:81/udp", 82]`: `ports: [82, "81:81/udp", "80:80"]`,
	} {
		if a, b := values(t, "compose.yml", "services: {a: {"+short+"}}"), values(t, "compose.yml", "services: {a: {"+long+"}}"); a != b {
			t.Errorf("%s gives\n%s\n%s gives\n%s", short, a, long, b)
		}
	}
}

// values gives what is in a file without its places.
func values(t *testing.T, name, text string) string {
	t.Helper()
	objects, err := parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(dump(objects)) {
		if i := strings.LastIndexByte(line, ' '); i >= 0 {
			out = append(out, line[:i])
		}
	}
	return strings.Join(slices.Sorted(slices.Values(out)), "\n")
}

// Every field that has two forms is a field of a service.
func TestComposeFieldsAreKnown(t *testing.T) {
	for _, f := range slices.Sorted(maps.Keys(composeForms)) {
		if !composeService[f] {
			t.Errorf("%s is no field of a service", f)
		}
	}
}

func FuzzCompose(f *testing.F) {
	for _, s := range []string{"ports: ['1:2/udp', '[::1]:1:2', '${A:-1}:2', '/']", "volumes: ['C:\\x:/y', ':', 'a:b:c:d']", "environment: [A=1, A]", "depends_on: {a: }", "build: x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { fuzzed(t, "compose.yml", "services:\n  a: {"+s+"}\n") })
}
