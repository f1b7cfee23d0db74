package aws

import (
	"fmt"
	"strings"
)

// parseShared reads AWS's config and credentials format: sections in brackets, `key = value`, comments behind # or ; at the start of a
// line or behind a space. Indented lines belong to the key above them (s3 =) and are left out. Keys are in lower case. The last of two
// equal keys counts; sections of the same name add up. An error names the line, never what stands in it.
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
func parseShared(text string) (map[string]map[string]string, error) {
	sections := map[string]map[string]string{}
	var current map[string]string
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		n++
		line = strings.TrimRight(line, " \t\r\n")
		bare := strings.TrimLeft(line, " \t")
		switch {
		case bare == "" || bare[0] == '#' || bare[0] == ';':
		case line[0] == '[':
			name, ok := sectionName(line)
			if !ok {
				return nil, fmt.Errorf("line %d is no section, want [name]", n)
			}
			if sections[name] == nil {
				sections[name] = map[string]string{}
			}
			current = sections[name]
		case bare != line: // belongs to the key above
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || current == nil {
				return nil, fmt.Errorf("line %d is neither a section nor key = value in one", n)
			}
			current[strings.ToLower(strings.TrimSpace(key))] = withoutComment(value)
		}
	}
	return sections, nil
}

// sectionName reads [name] and [profile   name], of which it keeps one space.
func sectionName(line string) (string, bool) {
	name, rest, ok := strings.Cut(line[1:], "]")
	rest = strings.TrimSpace(rest)
	if !ok || rest != "" && rest[0] != '#' && rest[0] != ';' {
		return "", false
	}
	name = strings.Join(strings.Fields(name), " ")
	return name, name != ""
}

func withoutComment(value string) string {
	for i := 1; i < len(value); i++ {
		if (value[i] == '#' || value[i] == ';') && (value[i-1] == ' ' || value[i-1] == '\t') {
			value = value[:i]
		}
	}
	return strings.TrimSpace(value)
}
