package source
import ("testing";"time";"runtime";"fmt";"strings";"os")
func TestZZMeasure(t *testing.T){
 root:=t.TempDir()
 var b strings.Builder
 for i:=0;i<5000;i++{ fmt.Fprintf(&b,"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web-%d, labels: {app: web}}\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      - name: web\n        image: acme/web:1\n        env:\n        - {name: MODE, value: base}\n        - {name: MODE2, value: base2}\n        resources: {limits: {cpu: 1, memory: 1Gi}}\n---\n",i) }
 write(t,root,map[string]string{"k/a.yaml":b.String(),"k/kustomization.yaml":"resources: [a.yaml]\nnamespace: shop\n"})
 fmt.Println(b.Len())
 start:=time.Now()
 tree,err:=kustomized(t,root,KustomizeOptions{Path:"k"})
 var m runtime.MemStats; runtime.ReadMemStats(&m)
 fmt.Println(len(tree.Objects),err,time.Since(start),m.TotalAlloc>>20,m.Sys>>20)
 g:=newGit(t)
 files:=map[string]string{}
 for i:=0;i<5000;i++{ files[fmt.Sprintf("d/%d/a%d.yaml",i%50,i)]=fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a%d}\ndata: {a: b}\n",i)}
 g.commit("one",files); g.run("gc","-q")
 runtime.GC()
 start=time.Now()
 tree,err=g.snapshot(GitOptions{Ref:"HEAD",Path:"d"})
 runtime.ReadMemStats(&m)
 fmt.Println("git",len(tree.Objects),err,time.Since(start),m.TotalAlloc>>20,m.Sys>>20)
 _ = os.Args
}
