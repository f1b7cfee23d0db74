package diff

import "strings"

// listRule says what the items of a list are known by.
type listRule struct {
	keys    [][]string // the first that every item has is taken
	ordered bool       // the order of the items matters
}

// keyed are the lists of Kubernetes that are maps in truth (listMapKey in k8s.io/api), those whose items have a name of their own all the
// same, and those of an ECS task definition and of a kustomization.
var keyed = map[string]listRule{
	"containers":                {keys: keys("name")},
	"initContainers":            {keys: keys("name"), ordered: true}, // they run one after the other
	"ephemeralContainers":       {keys: keys("name")},
	"env":                       {keys: keys("name")},
	"volumes":                   {keys: keys("name")},
	"volumeMounts":              {keys: keys("mountPath")},
	"volumeDevices":             {keys: keys("devicePath")},
	"ports":                     {keys: keys("containerPort protocol", "port protocol")},
	"hostAliases":               {keys: keys("ip")},
	"topologySpreadConstraints": {keys: keys("topologyKey whenUnsatisfiable")},
	"imagePullSecrets":          {keys: keys("name")},
	"resourceClaims":            {keys: keys("name")},
	"conditions":                {keys: keys("type")},
	"sysctls":                   {keys: keys("name")},
	"matchExpressions":          {keys: keys("key operator")},
	"ownerReferences":           {keys: keys("uid", "kind name")},
	"subjects":                  {keys: keys("kind name", "kind namespace name")},
	"webhooks":                  {keys: keys("name")},
	"versions":                  {keys: keys("name")},
	"additionalPrinterColumns":  {keys: keys("name")},
	"volumeClaimTemplates":      {keys: keys("metadata.name")},
	"listeners":                 {keys: keys("name")},
	"rules":                     {keys: keys("host", "alert", "record", "name")},
	"paths":                     {keys: keys("path pathType", "path")},
	"tls":                       {keys: keys("secretName")},
	"groups":                    {keys: keys("name")},
	"containerDefinitions":      {keys: keys("name")},
	"environment":               {keys: keys("name")},
	"secrets":                   {keys: keys("name")},
	"portMappings":              {keys: keys("containerPort protocol", "containerPort")},
	"mountPoints":               {keys: keys("containerPath")},
	"ulimits":                   {keys: keys("name")},
	"images":                    {keys: keys("name")},
	"configMapGenerator":        {keys: keys("name")},
	"secretGenerator":           {keys: keys("name")},
}

// guessed is for any other list of mappings: whether its order matters isn't known, so that a new order is told.
var guessed = listRule{keys: keys("name", "key", "id"), ordered: true}

// atomic are lists that Kubernetes takes as a whole: by position, whatever is in them.
var atomic = set("args command envFrom tolerations sources resizePolicy clusterIPs items")

// unordered are lists of scalars in Kubernetes objects whose order has no meaning; behind the name, what they must stand in.
var unordered = map[string]map[string]bool{
	"verbs": set("rules"), "apiGroups": set("rules"), "resources": set("rules"), "resourceNames": set("rules"), "nonResourceURLs": set("rules"),
	"operations": set("rules"), "apiVersions": set("rules"), "add": set("capabilities"), "drop": set("capabilities"), "policyTypes": set("spec"),
	"accessModes": set("spec"), "loadBalancerSourceRanges": set("spec"), "externalIPs": set("spec"), "finalizers": set("metadata spec"),
	"values": set("matchExpressions matchFields"), "hosts": set("tls"), "supplementalGroups": set("securityContext"), "hostnames": set("spec"),
	"shortNames": set("names"), "categories": set("names"), "namespaces": set("podAffinityTerm requiredDuringSchedulingIgnoredDuringExecution"),
}

// bags are lists of mappings whose order has no meaning, and that have no keys: in the kinds behind them, "" in any.
var bags = map[string]map[string]bool{
	"rules":   set("Role ClusterRole ValidatingWebhookConfiguration MutatingWebhookConfiguration"),
	"ingress": set("NetworkPolicy"), "egress": set("NetworkPolicy"), "from": set("NetworkPolicy"), "to": set("NetworkPolicy"),
	"ports": set("NetworkPolicy"), "metrics": set("HorizontalPodAutoscaler"), "nodeSelectorTerms": nil,
	"requiredDuringSchedulingIgnoredDuringExecution": nil, "preferredDuringSchedulingIgnoredDuringExecution": nil,
}

func keys(choices ...string) [][]string {
	var ks [][]string
	for _, c := range choices {
		ks = append(ks, strings.Fields(c))
	}
	return ks
}

// listKeys gives what the items of both lists are known by, nil where it is their position.
func listKeys(name string, a, b *Node) (rule listRule, keys []string) {
	rule, ok := keyed[name]
	switch {
	case isEnv(name):
		rule = keyed["env"]
	case !ok:
		rule = guessed
	}
	if atomic[name] {
		return rule, nil
	}
	for _, ks := range rule.keys {
		if unique(a, ks) && unique(b, ks) {
			return rule, ks
		}
	}
	return rule, nil
}

// unique says whether every item has the keys, and no two the same values.
func unique(n *Node, keys []string) bool {
	seen := make(map[string]bool, len(n.Items))
	for _, item := range n.Items {
		id, ok := identity(item, keys)
		if !ok || seen[id] {
			return false
		}
		seen[id] = true
	}
	return true
}

// identity joins an item's keys. The protocol of a port may be left out: it is TCP.
func identity(item *Node, keys []string) (string, bool) {
	id := ""
	for _, k := range keys {
		v := item.text(k)
		if outer, inner, nested := strings.Cut(k, "."); nested {
			v = item.Fields[outer].text(inner)
		}
		if v == "" && k == "protocol" && item.IsMap {
			v = "TCP"
		}
		if v == "" {
			return "", false
		}
		id += v + "\x00"
	}
	return id, true
}

func itemNames(id string, keys []string) segment {
	s := segment{kind: itemSegment}
	for i, v := range strings.Split(strings.TrimSuffix(id, "\x00"), "\x00") {
		s.names = append(s.names, selector{keys[min(i, len(keys)-1)], v})
	}
	return s
}
