package format

import "testing"

const describedTask = `{"taskDefinition": {"family": "web", "revision": 3, "taskDefinitionArn": "arn", "status": "ACTIVE", "networkMode": "awsvpc",
 "requiresCompatibilities": ["FARGATE", "EC2"], "registeredAt": 1, "volumes": [], "placementConstraints": [],
 "containerDefinitions": [{"name": "web", "image": "a:1", "cpu": 0, "essential": true, "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": ""}],
  "mountPoints": [], "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}], "dockerLabels": {"x": ""}}]},
 "tags": [{"key": "b", "value": "1"}, {"key": "a", "value": "2"}]}`

const registeredTask = `{"family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["EC2", "FARGATE"],
 "containerDefinitions": [{"name": "web", "image": "a:1", "environment": [{"name": "A", "value": ""}, {"name": "B", "value": "2"}],
  "portMappings": [{"containerPort": 80}], "dockerLabels": {"x": ""}}],
 "tags": [{"key": "a", "value": "2"}, {"key": "b", "value": "1"}]}`

func TestECS(t *testing.T) {
	reads{
		{"described", "td.json", describedTask, `
/td.json ecs
containerDefinitions[0].dockerLabels.x= string 4:115
containerDefinitions[0].environment[0].name=A string 3:134
containerDefinitions[0].environment[0].value= string 3:147
containerDefinitions[0].environment[1].name=B string 3:105
containerDefinitions[0].environment[1].value=2 string 3:118
containerDefinitions[0].essential=true bool 3:69
containerDefinitions[0].image=a:1 string 3:43
containerDefinitions[0].name=web string 3:28
containerDefinitions[0].portMappings[0].containerPort=80 number 4:40
containerDefinitions[0].portMappings[0].protocol=tcp string 4:77
family=web string 1:21
networkMode=awsvpc string 1:101
requiresCompatibilities[0]=EC2 string 2:41
requiresCompatibilities[1]=FARGATE string 2:30
tags[0].key=a string 5:40
tags[0].value=2 string 5:52
tags[1].key=b string 5:12
tags[1].value=1 string 5:24`},
		{"a port of the host", "td.json", `{"family": "web", "containerDefinitions": [{"name": "a", "essential": false, "portMappings": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 79, "hostPort": 0}]}]}`, `
/td.json ecs
containerDefinitions[0].essential=false bool 1:58
containerDefinitions[0].name=a string 1:45
containerDefinitions[0].portMappings[0].containerPort=79 number 1:135
containerDefinitions[0].portMappings[0].protocol=tcp string 1:134
containerDefinitions[0].portMappings[1].containerPort=80 number 1:96
containerDefinitions[0].portMappings[1].hostPort=80 number 1:117
containerDefinitions[0].portMappings[1].protocol=tcp string 1:95
family=web string 1:2`},
		{"of CloudFormation", "td.json", `{"containerDefinitions": [{"Name": "x"}]}`, "/td.json json\ncontainerDefinitions[0].Name=x string 1:28"},
	}.run(t)
	if a, b := values(t, "td.json", describedTask), values(t, "td.json", registeredTask); a != b {
		t.Errorf("what describe-task-definition gives is\n%s\nwhat was registered is\n%s", a, b)
	}
}
