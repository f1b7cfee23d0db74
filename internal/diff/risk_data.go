package diff

import (
	"slices"
	"strings"

	"github.com/bakegate/bakegate/internal/lazyregexp"
)

// persistence compares how a chart's values keep data.
func persistence(w *survey, x both) {
	if !isMapping(x.a) || !isMapping(x.b) {
		return
	}
	for _, key := range [...]string{"enabled", "size"} {
		v := x.get(key)
		if key == "enabled" && isTrue(v.a) && isFalse(v.b) || key == "size" && lower(v) {
			w.push(key, v)
			w.note(riskStorage, v, worse)
			w.pop()
		}
	}
}

// stores are the kinds of resources of Terraform that hold data.
var stores = set(`aws_db_instance aws_rds_cluster aws_dynamodb_table aws_s3_bucket aws_ebs_volume aws_efs_file_system aws_elasticache_replication_group
	aws_opensearch_domain google_sql_database_instance google_storage_bucket google_bigquery_dataset google_spanner_instance google_compute_disk
	azurerm_storage_account azurerm_mssql_database azurerm_postgresql_flexible_server azurerm_mysql_flexible_server azurerm_cosmosdb_account`)

// resourcesGone tells a resource of Terraform that holds data, and that the target does not have.
func resourcesGone(w *survey, x both) {
	if w.c.target.Root.Format != "terraform" || len(w.steps) != 1 || !isMapping(x.a) || x.b == nil {
		return
	}
	for address, a := range x.a.Fields {
		if x.b.Fields[address] == nil && slices.ContainsFunc(strings.Split(address, "."), func(s string) bool { return stores[s] }) {
			w.push(address, both{a: a})
			w.note(riskDurability, both{a: a}, worse)
			w.pop()
		}
	}
}

// destroys are commands that delete data: of SQL, of the migration tools, of the shell.
var destroys = lazyregexp.New(`(?i)` + strings.Join([]string{
	`\bdrop\s+(?:table|database|schema|column|view|index)\b`,
	`\btruncate\s+(?:table\b|[a-z_]+\s*(?:;|$|cascade))`,
	`\bdelete\s+from\b`,
	`\bmigrate:(?:reset|fresh|refresh)\b`,
	`\b(?:db:(?:drop|reset|purge)|database:drop|schema:drop)\b`,
	`\bflyway\b[^;&|]*\sclean\b`,
	`\bliquibase\b[^;&|]*\sdrop-?all\b`,
	`\bprisma\s+migrate\s+reset\b`,
	`--force-reset\b`,
	`(?:^|\s)--drop(?:\s|=|$)`,
	`\b(?:dropdb|dropDatabase|flushall|flushdb)\b`,
	`\bmanage\.py\s+(?:flush|reset_db)\b`,
	`\balembic\s+downgrade\b`,
	`\bterraform\s+destroy\b`,
	`\brm\s+-[a-z]*(?:rf|fr)[a-z]*\s+/`,
}, "|"))

// destructive looks at what jobs and init containers run. The value at hand is their list.
func destructive(w *survey, x both) {
	k := w.c.id.Kind
	if w.key(0) == "containers" && k != "Job" && k != "CronJob" || !w.c.kubernetes || !hasItems(x.b) {
		return
	}
	for j, b := range x.b.Items {
		a, i := counterpart(x.a, b, j, len(x.b.Items))
		w.steps = append(w.steps, surveyStep{both: both{a, b}, item: true, ia: i, ib: j})
		for _, f := range [...]string{"command", "args", "env"} {
			v := both{fieldOf(a, f), fieldOf(b, f)}
			found, before := destruction(v.b), destruction(v.a)
			if found == "" {
				continue
			}
			st := worse
			switch {
			case before == found:
				st = alike
			case a == nil:
				st = fresh
			}
			w.push(f, v)
			w.notef(riskDestructive, high, v, st, w.c.mask.name(found), "no such command")
			w.pop()
		}
		w.pop()
	}
}

// maxCommand bounds a command that is looked through, in bytes.
const maxCommand = 64 << 10

// destruction gives the first command that deletes data in a list of arguments or variables, "" where there is none.
func destruction(list *Node) string {
	if list == nil {
		return ""
	}
	var b strings.Builder
	for _, i := range list.Items {
		text := i.Value
		if i.IsMap {
			text = i.text("value") + "\n"
		}
		if b.Len()+len(text) < maxCommand {
			b.WriteString(text + " ")
		}
	}
	return strings.TrimSpace(destroys.FindString(b.String()))
}
