package diff

import "strings"

// fieldChecks are asked at every field with that key, wherever it stands: in an object, in a chart's values, in a task definition.
var fieldChecks = map[string][]fieldCheck{
	"livenessProbe":  {works(riskProbe)},
	"readinessProbe": {works(riskProbe), probesIdentical},
	"startupProbe":   {works(riskProbe)},
	"healthcheck":    {works(riskProbe)},
	"healthCheck":    {works(riskProbe)},
	"health_check":   {works(riskProbe)},

	"memory":            {taskAmount},
	"memoryReservation": {taskAmount},
	"cpu":               {taskAmount},
	"mem_limit":         {taskAmount},
	"mem_reservation":   {taskAmount},
	"cpus":              {taskAmount},
	"resources":         {resourcesGone},

	"containers":     {destructive},
	"initContainers": {destructive},

	"limits":   {resourceAmounts},
	"requests": {resourceAmounts},
	"image":    {imageRef, containerLimits},
	"tag":      {imageTag},
	"registry": {imageRegistry},

	"privileged":               {flags(riskPrivileged, isTrue)},
	"allowPrivilegeEscalation": {flags(riskPrivileged, isTrue), guards(riskPrivileged, isFalse)},
	"capabilities":             {capabilities},
	"hostNetwork":              {flags(riskHost, isTrue)},
	"hostPID":                  {flags(riskHost, isTrue)},
	"hostIPC":                  {flags(riskHost, isTrue)},
	"hostPath":                 {flags(riskHost, isMapping)},
	"hostPort":                 {flags(riskHost, isPositive)},
	"runAsNonRoot":             {guards(riskHardening, isTrue)},
	"readOnlyRootFilesystem":   {guards(riskHardening, isTrue)},
	"readonlyRootFilesystem":   {guards(riskHardening, isTrue)}, // of ECS
	"runAsUser":                {flags(riskHardening, isZero)},
	"seccompProfile":           {guards(riskHardening, confined)},

	"terminationGracePeriodSeconds": {lowers(riskGrace)},
	"preStop":                       {guards(riskGrace, isMapping)},
	"minReadySeconds":               {lowers(riskGrace)},
	"podAntiAffinity":               {guards(riskSpread, isMapping)},
	"topologySpreadConstraints":     {guards(riskSpread, hasItems)},
	"priorityClassName":             {guards(riskPriority, isText)},

	"minAvailable":         {budget},
	"maxUnavailable":       {budget, rollingUpdate},
	"strategy":             {strategy},
	"deploymentStrategy":   {strategy},
	"updateStrategy":       {strategy},
	"revisionHistoryLimit": {flags(riskRollout, isZero)},
	"suspend":              {flags(riskSuspended, isTrue)},
	"paused":               {flags(riskSuspended, isTrue)},

	"outlierDetection":   {works(riskResilience)},
	"outlier_detection":  {works(riskResilience)},
	"circuitBreaker":     {works(riskResilience)},
	"circuitBreakers":    {works(riskResilience)},
	"circuit_breakers":   {works(riskResilience)},
	"connectionPool":     {works(riskResilience)},
	"retryPolicy":        {works(riskResilience)},
	"retry_policy":       {works(riskResilience)},
	"retries":            {inRoutes},
	"timeout":            {inRoutes},
	"timeouts":           {inRoutes},
	"connectTimeout":     {inRoutes},
	"sourceRanges":       {openAddresses},
	"cidr_blocks":        {openAddresses},
	"allowed_cidrs":      {openAddresses},
	"cidr":               {openAddresses},
	"publiclyAccessible": {flags(riskExposed, isTrue)},

	"loadBalancerSourceRanges":                                {openAddresses},
	"nginx.ingress.kubernetes.io/whitelist-source-range":      {openAddresses, guards(riskExposed, isText)},
	"nginx.ingress.kubernetes.io/ssl-redirect":                {guards(riskIngress, isTrue)},
	"nginx.ingress.kubernetes.io/force-ssl-redirect":          {guards(riskIngress, isTrue)},
	"alb.ingress.kubernetes.io/scheme":                        {guards(riskExposed, isInternal)},
	"service.beta.kubernetes.io/aws-load-balancer-scheme":     {guards(riskExposed, isInternal)},
	"service.beta.kubernetes.io/aws-load-balancer-internal":   {guards(riskExposed, isTrue)},
	"service.beta.kubernetes.io/azure-load-balancer-internal": {guards(riskExposed, isTrue)},
	"networking.gke.io/load-balancer-type":                    {guards(riskExposed, isInternal)},
	"pod-security.kubernetes.io/enforce":                      {podSecurity},

	"type":  {serviceType},
	"tls":   {ingressTLS},
	"rules": {ingressHosts, accountRules},
	"hosts": {ingressHosts},

	"roleRef":                       {roleRef},
	"subjects":                      {subjects},
	"automountServiceAccountToken":  {guards(riskPermissions, isFalse)},
	"failurePolicy":                 {guards(riskAdmission, isExactly("Fail"))},
	"validationActions":             {guards(riskAdmission, denies)},
	"mode":                          {guards(riskNetwork, isExactly("STRICT"))},
	"persistentVolumeReclaimPolicy": {guards(riskStorage, isExactly("Retain"))},
	"reclaimPolicy":                 {guards(riskStorage, isExactly("Retain"))},
	"whenDeleted":                   {guards(riskStorage, isExactly("Retain"))},
	"whenScaled":                    {guards(riskStorage, isExactly("Retain"))},
	"storageClassName":              {changes(riskStorage)},
	"storageClass":                  {changes(riskStorage)},
	"persistentVolumeClaim":         {guards(riskStorage, isMapping)},
	"persistence":                   {persistence},

	"state":          {flagState},
	"defaultVariant": {flagVariant},
	"flags":          {flagsGone},
}

// kindChecks are asked once a pair of that kind.
var kindChecks = map[string][]pairCheck{
	"NetworkPolicy":                    {objectGone(riskNetwork, high), policyLoosened},
	"CiliumNetworkPolicy":              {objectGone(riskNetwork, high)},
	"GlobalNetworkPolicy":              {objectGone(riskNetwork, high)},
	"AuthorizationPolicy":              {objectGone(riskNetwork, high)},
	"PeerAuthentication":               {objectGone(riskNetwork, high)},
	"PodDisruptionBudget":              {objectGone(riskBudget, medium)},
	"HorizontalPodAutoscaler":          {objectGone(riskAutoscaler, medium)},
	"ScaledObject":                     {objectGone(riskAutoscaler, medium)},
	"PersistentVolumeClaim":            {objectGone(riskStorage, high)},
	"Ingress":                          {objectGone(riskIngress, high)},
	"ServiceMonitor":                   {objectGone(riskMonitoring, medium)},
	"PodMonitor":                       {objectGone(riskMonitoring, medium)},
	"PrometheusRule":                   {objectGone(riskMonitoring, medium)},
	"DestinationRule":                  {objectGone(riskResilience, medium)},
	"BackendTrafficPolicy":             {objectGone(riskResilience, medium)},
	"ValidatingWebhookConfiguration":   {objectGone(riskAdmission, high)},
	"ValidatingAdmissionPolicy":        {objectGone(riskAdmission, high)},
	"ValidatingAdmissionPolicyBinding": {objectGone(riskAdmission, high)},
}

// flags gives a check that tells a value that is risky, unless previous has it too.
func flags(a *advice, bad func(*Node) bool) fieldCheck {
	return func(w *survey, x both) {
		if !bad(x.b) || bad(x.a) {
			return
		}
		st := worse
		if w.parent(1).a == nil {
			st = fresh
		}
		w.note(a, x, st)
	}
}

// guards gives a check that tells a value that protected previous and is not in the target.
func guards(a *advice, good func(*Node) bool) fieldCheck {
	return func(w *survey, x both) {
		if good(x.a) && !good(x.b) {
			w.note(a, x, worse)
		}
	}
}

// works gives a check that tells a part that previous had and the target has not, or has switched off.
func works(a *advice) fieldCheck {
	return func(w *survey, x both) {
		if !switchedOn(x.a) || switchedOn(x.b) {
			return
		}
		v := x.get("enabled")
		if v.b == nil {
			w.note(a, x, worse)
			return
		}
		w.push("enabled", v)
		w.note(a, v, worse)
		w.pop()
	}
}

// lowers gives a check that tells an amount that is lower than in previous.
func lowers(a *advice) fieldCheck {
	return func(w *survey, x both) {
		if lower(x) {
			w.note(a, x, worse)
		}
	}
}

// changes gives a check that tells a text that is another one.
func changes(a *advice) fieldCheck {
	return func(w *survey, x both) {
		if isText(x.a) && isText(x.b) && x.a.Value != x.b.Value {
			w.note(a, x, worse)
		}
	}
}

func objectGone(a *advice, s severity) pairCheck {
	return func(w *survey, p pair) {
		if p.target == nil {
			w.gone(a, s, p)
		}
	}
}

func isTrue(n *Node) bool  { return isScalar(n) && strings.EqualFold(n.Value, "true") }
func isFalse(n *Node) bool { return isScalar(n) && strings.EqualFold(n.Value, "false") }

// isScalar says whether there is a scalar that is no null and not hidden.
func isScalar(n *Node) bool {
	return n != nil && n.scalar() && n.Type != "null" && n.Type != TypeSecret
}

func isText(n *Node) bool    { return isScalar(n) && n.Value != "" }
func isMapping(n *Node) bool { return n != nil && n.IsMap && len(n.Fields) > 0 }
func hasItems(n *Node) bool  { return n != nil && n.IsList && len(n.Items) > 0 }

func isPositive(n *Node) bool {
	v, ok := amountOf(n)
	return ok && v > 0
}

func isZero(n *Node) bool {
	if !isScalar(n) || n.Value == "" || n.Value[0] >= '1' && n.Value[0] <= '9' {
		return false
	}
	v, ok := amount(n.Value)
	return ok && v == 0
}

func isExactly(want string) func(*Node) bool {
	return func(n *Node) bool { return isScalar(n) && n.Value == want }
}

func isInternal(n *Node) bool { return isScalar(n) && strings.EqualFold(n.Value, "internal") }

// switchedOn says whether a mapping is there and does not say enabled: false.
func switchedOn(n *Node) bool { return isMapping(n) && !isFalse(n.Fields["enabled"]) }

func confined(n *Node) bool {
	return isMapping(n) && n.text("type") != "" && n.text("type") != "Unconfined"
}

// denies says whether the actions of a policy's binding refuse an object.
func denies(n *Node) bool { return containsText(n, "Deny") }

func containsText(list *Node, text string) bool {
	if list == nil {
		return false
	}
	for _, i := range list.Items {
		if i.scalar() && i.Value == text {
			return true
		}
	}
	return false
}
