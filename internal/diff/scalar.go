package diff

import (
	"math/big"
	"strconv"
	"strings"
)

// same says whether two scalars mean the same. It knows types alone; what a field means (a quantity, a duration) belongs in
// comparer.same, which is asked first and knows the path.
func same(a, b *Node) bool {
	if a.Type != b.Type {
		return false
	}
	switch a.Type {
	case "number":
		return a.Value == b.Value || number(a.Value) == number(b.Value)
	case "bool":
		return strings.EqualFold(a.Value, b.Value)
	case "null":
		return true
	}
	return a.Value == b.Value
}

// number gives numbers of the same value the same text: 1, 1.0, 1e0, 0x1. Whole numbers keep every digit.
func number(s string) string {
	t := strings.ToLower(strings.ReplaceAll(s, "_", ""))
	if len(t) > 400 {
		return t
	}
	if i, ok := new(big.Int).SetString(t, 0); ok {
		return i.String()
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil {
		return t
	}
	if f == 0 {
		return "0"
	}
	// Written with all its digits where it is whole, so that 1.0 and 1 are the same and 1e300 costs nothing.
	if mantissa, exponent, _ := strings.Cut(t, "e"); exponent == "" && strings.Trim(tail(mantissa), "0") == "" {
		whole, _, _ := strings.Cut(mantissa, ".")
		if i, ok := new(big.Int).SetString(strings.TrimPrefix(whole, "+"), 10); ok {
			return i.String()
		}
	}
	if f == float64(int64(f)) && f < 1<<53 && f > -1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func tail(s string) string {
	_, t, _ := strings.Cut(s, ".")
	return t
}

// canonical writes a node so that two are equal if and only if their texts are. It is used to find the same items in two lists.
func canonical(n *Node) string {
	var b strings.Builder
	writeCanonical(&b, n)
	return b.String()
}

func writeCanonical(b *strings.Builder, n *Node) {
	switch {
	case n.IsMap:
		b.WriteString(n.Type + "{")
		for _, k := range sortedKeys(n.Fields) {
			b.WriteString(strconv.Quote(k) + ":")
			writeCanonical(b, n.Fields[k])
		}
		b.WriteByte('}')
	case n.IsList:
		b.WriteString(n.Type + "[")
		for _, i := range n.Items {
			writeCanonical(b, i)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	default:
		b.WriteString(n.Type + strconv.Quote(canonicalScalar(n)))
	}
}

func canonicalScalar(n *Node) string {
	switch n.Type {
	case "number":
		return number(n.Value)
	case "bool":
		return strings.ToLower(n.Value)
	case "null":
		return ""
	}
	return n.Value
}
