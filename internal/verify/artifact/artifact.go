// Package artifact is pure: digests, manifests, indexes and platforms as registries write them, read without believing anything.
package artifact
