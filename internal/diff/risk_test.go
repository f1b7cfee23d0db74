package diff

import (
	"testing"
)

func TestMeaningOf(t *testing.T) {
	for name, want := range map[string]meaning{
		"NODE_TLS_REJECT_UNAUTHORIZED": verifies, "verify_ssl": verifies, "sslVerify": verifies, "tls-verify": verifies, "VERIFY_CERTIFICATE": verifies, "strict-ssl": verifies,
		"insecureSkipVerify": trusts, "INSECURE": trusts, "insecure_skip_tls_verify": trusts, "SKIP_TLS_VERIFY": trusts, "disable_ssl_certificate_validation": trusts,
		"ignoreCertErrors": trusts, "trustAllCerts": trusts, "no-check-certificate": trusts, "PGSSLMODE": sslMode,
		"DEBUG": debugs, "ALLOW_DEBUG_ROUTE": debugs, "debug_enabled": debugs, "flaskDebug": debugs, "LOG_LEVEL": logLevel, "logging.level.org.acme": logLevel, "log-level": logLevel,
		"RAILS_ENV": mode, "multi_az": protects, "deletionProtection": protects, "skip_final_snapshot": destroysData, "backup_retention_period": keepsDays,
		"allocated_storage": sizesUp, "instanceType": machine, "publicly_accessible": opensUp, "replicaCount": counts, "desired_count": counts, "minReplicas": bounds,
		"CIRCUIT_BREAKER_ENABLED": breaks, "tls_enabled": encrypts,
		"DEBUG_PORT": 0, "debugImage": 0, "insecurePort": 0, "upgrade-insecure-requests": 0, "insecureRegistries": 0, "VERIFY_EMAIL": 0, "SKIP_CACHE": 0, "name": 0, "": 0,
		"hostname": 0, "certificate": 0, "SSL_PORT": 0, "disable_cache": 0, "no_proxy": 0, "ignore_errors": 0, "log": 0, "level": 0, "host": 0,
	} {
		if got := meaningOf(name); got != want {
			t.Errorf("%q: got %b, want %b", name, got, want)
		}
	}
}

func TestSizeOf(t *testing.T) {
	order := []string{"db.t4g.nano", "t3.micro", "db.t4g.small", "cache.m6g.medium", "db.m6g.large", "m5.xlarge", "db.m7g.2xlarge", "m5.4xlarge", "x1.32xlarge"}
	for i := 1; i < len(order); i++ {
		if a, b := sizeOf(order[i-1]), sizeOf(order[i]); a <= 0 || a >= b {
			t.Errorf("%s is %v, %s is %v", order[i-1], a, order[i], b)
		}
	}
	if sizeOf("n1-standard-4") >= sizeOf("n1-standard-8") || sizeOf("n2-highmem-2") <= 0 {
		t.Error("Google's classes are not in order")
	}
	for _, s := range []string{"", "m5.metal", "large-ish", "0xlarge", "-1xlarge", "m5.99999999999999999999xlarge", "custom"} {
		if got := sizeOf(s); got != 0 {
			t.Errorf("%q has the size %v", s, got)
		}
	}
}

func TestDestruction(t *testing.T) {
	list := func(texts ...string) *Node {
		n := &Node{IsList: true}
		for _, s := range texts {
			n.Items = append(n.Items, scalarNode(s))
		}
		return n
	}
	for _, args := range [][]string{{"psql", "-c", "drop table users"}, {"rake", "db:drop"}, {"php", "artisan", "migrate:fresh"}, {"flyway", "-url=x", "clean"}, {"npx", "prisma", "migrate", "reset"},
		{"mongorestore", "--drop", "x"}, {"sh", "-c", "redis-cli FLUSHALL"}, {"sh", "-c", "rm -rf /data/*"}, {"mysql", "-e", "DELETE FROM orders"}, {"sh", "-c", "TRUNCATE TABLE x"},
		{"python", "manage.py", "flush"}, {"alembic", "downgrade", "base"}, {"terraform", "destroy"}, {"liquibase", "dropAll"}, {"dropdb", "x"}, {"bin/console", "doctrine:schema:drop"}} {
		if destruction(list(args...)) == "" {
			t.Errorf("%v deletes nothing", args)
		}
	}
	for _, args := range [][]string{{"rake", "db:migrate"}, {"flyway", "migrate"}, {"sh", "-c", "echo clean; flyway migrate; echo clean"}, {"--dropout=0.5"}, {"--drop-caps"}, {"rm", "-rf", "tmp"}, {"truncate", "-s", "0", "log"},
		{"echo", "raindrop table"}, {"alembic", "upgrade", "head"}, {"flush-cache"}} {
		if got := destruction(list(args...)); got != "" {
			t.Errorf("%v: got %q", args, got)
		}
	}
}
