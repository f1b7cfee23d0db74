package diff

// Redactor gives a function that takes the secrets of the trees out of a text of somebody else's that speaks of them: the message of a
// policy, say. What it gives is on one line and short.
func Redactor(trees ...Tree) func(string) string {
	m := newMasker()
	var ps []pair
	for _, t := range trees {
		for _, o := range pointers(t.Objects) {
			ps = append(ps, pair{target: o})
		}
	}
	m.learn(ps)
	return m.name
}
