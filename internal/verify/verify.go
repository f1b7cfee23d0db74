// Package verify proves that the image in the registry is the artifact that was built, and who signed it.
package verify
