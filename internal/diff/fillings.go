package diff

import (
	"strings"
	"sync"
)

// filling is one default: in an object of the kind ("" any), in the mapping that stands in the place, a field with this value.
type filling struct{ kind, place, value string }

var (
	containerLists = set("containers initContainers ephemeralContainers")
	probeFields    = set("livenessProbe readinessProbe startupProbe")
)

// fillings are the defaults of the API server by the name of the field (SetDefaults_* in k8s.io/kubernetes/pkg/apis, and the strategies in
// pkg/registry). A place is the nearest field above, - the root, or one of three words: pod for the spec of a pod, container for a
// container, probe for a probe.
var fillings = sync.OnceValue(func() map[string][]filling { return parseFillings(fillingsTable) })

const fillingsTable = `
	* pod restartPolicy Always
	* pod dnsPolicy ClusterFirst
	* pod schedulerName default-scheduler
	* pod terminationGracePeriodSeconds 30
	* pod enableServiceLinks true
	* pod preemptionPolicy PreemptLowerPriority
	* pod priority 0
	* pod hostNetwork false
	* pod hostPID false
	* pod hostIPC false
	* pod shareProcessNamespace false
	* container terminationMessagePath /dev/termination-log
	* container terminationMessagePolicy File
	* container stdin false
	* container stdinOnce false
	* container tty false
	* volumeMounts readOnly false
	* ports protocol TCP
	* probe initialDelaySeconds 0
	* probe timeoutSeconds 1
	* probe periodSeconds 10
	* probe successThreshold 1
	* probe failureThreshold 3
	* httpGet scheme HTTP
	* httpGet path /
	* fieldRef apiVersion v1
	* resourceFieldRef divisor 0
	* secret defaultMode 420
	* configMap defaultMode 420
	* downwardAPI defaultMode 420
	* projected defaultMode 420
	* serviceAccountToken expirationSeconds 3600
	Secret - type Opaque
	Secret - immutable false
	ConfigMap - immutable false
	Service spec type ClusterIP
	Service spec sessionAffinity None
	Service spec internalTrafficPolicy Cluster
	Service spec externalTrafficPolicy Cluster
	Service spec ipFamilyPolicy SingleStack
	Service spec allocateLoadBalancerNodePorts true
	Service spec publishNotReadyAddresses false
	Deployment spec revisionHistoryLimit 10
	Deployment spec progressDeadlineSeconds 600
	Deployment spec minReadySeconds 0
	Deployment spec paused false
	Deployment strategy type RollingUpdate
	Deployment rollingUpdate maxSurge 25%
	Deployment rollingUpdate maxUnavailable 25%
	StatefulSet spec revisionHistoryLimit 10
	StatefulSet spec podManagementPolicy OrderedReady
	StatefulSet spec minReadySeconds 0
	StatefulSet updateStrategy type RollingUpdate
	StatefulSet rollingUpdate partition 0
	StatefulSet persistentVolumeClaimRetentionPolicy whenDeleted Retain
	StatefulSet persistentVolumeClaimRetentionPolicy whenScaled Retain
	StatefulSet volumeClaimTemplates apiVersion v1
	StatefulSet volumeClaimTemplates kind PersistentVolumeClaim
	StatefulSet spec volumeMode Filesystem
	PersistentVolumeClaim spec volumeMode Filesystem
	PersistentVolume spec volumeMode Filesystem
	PersistentVolume spec persistentVolumeReclaimPolicy Retain
	DaemonSet spec revisionHistoryLimit 10
	DaemonSet spec minReadySeconds 0
	DaemonSet updateStrategy type RollingUpdate
	DaemonSet rollingUpdate maxSurge 0
	DaemonSet rollingUpdate maxUnavailable 1
	Job spec backoffLimit 6
	Job spec completions 1
	Job spec parallelism 1
	Job spec completionMode NonIndexed
	Job spec podReplacementPolicy TerminatingOrFailed
	Job spec suspend false
	Job spec manualSelector false
	CronJob spec concurrencyPolicy Allow
	CronJob spec suspend false
	CronJob spec successfulJobsHistoryLimit 3
	CronJob spec failedJobsHistoryLimit 1
	CronJob spec backoffLimit 6
	CronJob spec completions 1
	CronJob spec parallelism 1
	CronJob spec completionMode NonIndexed
	HorizontalPodAutoscaler spec minReplicas 1
	RoleBinding roleRef apiGroup rbac.authorization.k8s.io
	ClusterRoleBinding roleRef apiGroup rbac.authorization.k8s.io
	ValidatingWebhookConfiguration webhooks failurePolicy Fail
	ValidatingWebhookConfiguration webhooks matchPolicy Equivalent
	ValidatingWebhookConfiguration webhooks timeoutSeconds 10
	ValidatingWebhookConfiguration rules scope *
	ValidatingWebhookConfiguration service port 443
	MutatingWebhookConfiguration webhooks failurePolicy Fail
	MutatingWebhookConfiguration webhooks matchPolicy Equivalent
	MutatingWebhookConfiguration webhooks timeoutSeconds 10
	MutatingWebhookConfiguration webhooks reinvocationPolicy Never
	MutatingWebhookConfiguration rules scope *
	MutatingWebhookConfiguration service port 443
	CustomResourceDefinition conversion strategy None
	StorageClass - reclaimPolicy Delete
	StorageClass - volumeBindingMode Immediate
	PriorityClass - preemptionPolicy PreemptLowerPriority
	PriorityClass - globalDefault false
`

func parseFillings(table string) map[string][]filling {
	m := map[string][]filling{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) != 4 {
			continue
		}
		kind, place := strings.TrimPrefix(f[0], "*"), strings.TrimPrefix(f[1], "-")
		m[f[2]] = append(m[f[2]], filling{kind, place, f[3]})
	}
	return m
}
