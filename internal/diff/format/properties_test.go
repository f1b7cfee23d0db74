package format

import "testing"

func TestProperties(t *testing.T) {
	reads{
		{"everything", "application-staging.properties", `# c
! d
  a.b = 1
c:2
d 3
e\ f\=g = h\tx\u00e9\uD83D\uDE00
long = one,\
   two,\
   # three
empty
path=C:\\x\\y
trail = x 
cr=a\r\nb
json={"a": {"b": "x"}}
last=\`, `
/application-staging.properties properties
a.b=1 string 3:3
c=2 string 4:1
cr="a\r\nb" string 13:1
d=3 string 5:1
e f=g="h\txé😀" string 6:1
empty= string 10:1
json="{\"a\": {\"b\": \"x\"}}" string 14:1
json#json.a.b=x string 14:1
last= string 15:1
long="one,two,# three" string 7:1
path=C:\x\y string 11:1
trail="x " string 12:1`},
		{"documents of Spring", "a.properties", "a=1\r\n#---\r\nspring.config.activate.on-profile=staging\r\na=2\r\n", `
/a.properties properties
a=1 string 1:1
/a.properties#2 properties
a=2 string 4:1
spring.config.activate.on-profile=staging string 3:1`},
		{"one half of a pair", "a.properties", `a=\ud83dx`, "/a.properties properties\na=\ufffdx string 1:1"},
	}.run(t)
}

func FuzzProperties(f *testing.F) {
	for _, s := range []string{"a=b", "a\\\n  b = c", "\\u00e9:\\ud83d\\ude00", "#---\na", "a = \\", "!---\n a\\:b c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { fuzzed(t, "f.properties", s) })
}
