package format

import "testing"

func TestINI(t *testing.T) {
	reads{
		{"everything", "a.ini", `; c
top = 1
[server] ; main
host = a.example # not a comment
port: 8080
ExecStart=/bin/a \
   --b
flag
[remote "or]igin"]
	url = x
	fetch = "y"
[peer]
k=1
[peer]
k=2
k=3
cont = {
  "a": 1
  }
`, `
/a.ini ini
peer[0].k=1 string 13:1
peer[1].cont="{\n\"a\": 1\n}" string 17:1
peer[1].cont#json.a=1 number 17:1
peer[1].k[0]=2 string 15:1
peer[1].k[1]=3 string 16:1
remote "or]igin".fetch="y" string 11:2
remote "or]igin".url=x string 10:2
server.ExecStart="/bin/a \\\n--b" string 6:1
server.flag= null 8:1
server.host="a.example # not a comment" string 4:1
server.port=8080 string 5:1
top=1 string 2:1`},
	}.run(t)
}

func FuzzINI(f *testing.F) {
	for _, s := range []string{"[a]\nb=c\n d\n", "a\n[b]\n[b]\n[b]", "[\"a]\"]\n=", "[a", "x: [\n  1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { fuzzed(t, "f.ini", s) })
}
