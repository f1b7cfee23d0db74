package diff

// The checks, in the order in which they are told among equals. Each has its page in docs/checks.
var (
	riskDestructive = &advice{"diff-risk-destructive", high,
		"a job deletes data",
		"make sure that there is a backup, or take the command out"}
	riskStorage = &advice{"diff-risk-storage", high,
		"a volume is smaller, moved or less kept than in previous",
		"compare the claims; a volume can't shrink, and another class is another disk"}
	riskDurability = &advice{"diff-risk-durability", high,
		"a database is less protected against loss",
		"set backups, deletion protection and standby as production needs them"}
	riskReplicaZero = &advice{"diff-risk-replicas-zero", high,
		"no replica will run",
		"set the number of replicas, or delete the object"}
	riskTLS = &advice{"diff-risk-tls-off", high,
		"certificates are not verified",
		"give the client the right authority (a CA bundle) in place of switching the check off"}
	riskPrivileged = &advice{"diff-risk-privileged", high,
		"a container gets more power over its node",
		"take the privilege away, or name the one capability that is needed"}
	riskHost = &advice{"diff-risk-host-access", high,
		"a pod reaches into its node",
		"use a volume or a Service in place of the host's files, ports and namespaces"}
	riskPermissions = &advice{"diff-risk-permissions", high,
		"an account may do more",
		"name the verbs and resources that are needed"}
	riskAdmission = &advice{"diff-risk-admission", high,
		"a policy of the cluster is loosened",
		"keep the policy as strict as it was"}
	riskNetwork = &advice{"diff-risk-network-policy", high,
		"a network policy is loosened or gone",
		"compare the policies; a pod that none selects takes traffic from everywhere"}
	riskExposed = &advice{"diff-risk-exposed", high,
		"something can be reached from outside",
		"make it internal, or narrow the addresses that may reach it"}
	riskIngress = &advice{"diff-risk-ingress", high,
		"a way in, or its TLS, is gone",
		"compare hosts and certificates with previous"}
	riskACME = &advice{"diff-risk-acme-staging", high,
		"certificates come from an authority that browsers don't trust",
		"use the production directory of the ACME authority"}
	riskProbe = &advice{"diff-risk-probe-removed", high,
		"a probe is gone",
		"without a readiness probe a pod gets traffic before it can serve: put it back"}
	riskDebug = &advice{"diff-risk-debug", medium,
		"debugging is on",
		"switch it off: it is slow, and shows what users must not see"}
	riskReplicas = &advice{"diff-risk-replicas-lowered", medium,
		"fewer replicas run than in previous",
		"make sure that they carry the load"}
	riskAutoscaler = &advice{"diff-risk-autoscaler", medium,
		"the autoscaler may do less than in previous",
		"compare its bounds with the load"}
	riskCapacity = &advice{"diff-risk-capacity", medium,
		"something is smaller than in previous",
		"compare its size with the load"}
	riskResources = &advice{"diff-risk-resources-lowered", medium,
		"a limit or a request is lower than in previous",
		"a lower memory limit kills, a lower CPU limit slows: compare with the use"}
	riskNoResources = &advice{"diff-risk-resources-missing", medium,
		"a limit or a request is missing",
		"set requests, and a memory limit"}
	riskRollout = &advice{"diff-risk-rollout", medium,
		"a rollout takes all replicas down, or can't be taken back",
		"use RollingUpdate with a maxUnavailable below 100%, and keep a history"}
	riskBudget = &advice{"diff-risk-disruption-budget", medium,
		"a disruption budget is loosened or gone",
		"without it a drained node may take all replicas at once"}
	riskHardening = &advice{"diff-risk-hardening", medium,
		"a container's hardening is dropped",
		"keep runAsNonRoot, readOnlyRootFilesystem and the seccomp profile"}
	riskImagePin = &advice{"diff-risk-image-unpinned", medium,
		"an image is not pinned",
		"name a tag of its own, and its digest"}
	riskRegistry = &advice{"diff-risk-image-registry", medium,
		"an image comes from another registry",
		"make sure that it is the same image: compare the digests"}
	riskResilience = &advice{"diff-risk-resilience", medium,
		"a circuit breaker, time-out or retry is gone",
		"without it one slow service takes its callers along: put it back"}
	riskFlag = &advice{"diff-risk-feature-flag", medium,
		"a feature flag says something else",
		"make sure that the feature is meant to be so in the target"}
	riskSuspended = &advice{"diff-risk-suspended", medium,
		"something is suspended",
		"set it going, or delete it"}
	riskIdentical = &advice{"diff-risk-probe-identical", medium,
		"liveness and readiness ask the same",
		"let readiness fail first: a liveness probe that fails under load restarts every replica"}
	riskMonitoring = &advice{"diff-risk-monitoring", medium,
		"something is no longer watched",
		"put the monitor or the alert rules back"}
	riskGrace = &advice{"diff-risk-grace", low,
		"a pod gets less time to end its work",
		"give it as long as its longest request takes"}
	riskSpread = &advice{"diff-risk-spread", low,
		"replicas may run on one node",
		"spread them over nodes and zones"}
	riskPriority = &advice{"diff-risk-priority", low,
		"a pod's priority class is gone",
		"a pod without one is evicted first"}

	unresolved = &advice{"diff-reference", high,
		"something that is named is not there",
		"add it, or correct the name"}
	leaked = &advice{"diff-environment-leak", medium,
		"the target names the previous environment",
		"write the target's own value"}
)

var advices = []*advice{
	unresolved, riskDestructive, riskStorage, riskDurability, riskReplicaZero, riskTLS, riskPrivileged, riskHost, riskPermissions,
	riskAdmission, riskNetwork, riskExposed, riskIngress, riskACME, riskProbe, leaked, riskDebug, riskReplicas, riskAutoscaler,
	riskCapacity, riskResources, riskNoResources, riskRollout, riskBudget, riskHardening, riskImagePin, riskRegistry, riskResilience,
	riskFlag, riskSuspended, riskIdentical, riskMonitoring, riskGrace, riskSpread, riskPriority,
}
