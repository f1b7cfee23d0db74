package diff

import (
	"regexp"
	"strings"
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

// destroys are commands that delete data: of SQL, of the migration tools, of the shell.
var destroys = regexp.MustCompile(`(?i)` + strings.Join([]string{
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
