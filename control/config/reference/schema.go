package reference

import (
	"bytes"
	"encoding/json"

	"github.com/weir-proxy/weir/control/config"
)

// schema is a JSON Schema (2020-12), as far as it is used here. The order of its fields is that of the output.
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	ID          string             `json:"$id,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Ref         string             `json:"$ref,omitempty"`
	Type        any                `json:"type,omitempty"`
	Enum        []any              `json:"enum,omitempty"`
	Minimum     *int64             `json:"minimum,omitempty"`
	Maximum     *int64             `json:"maximum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Default     any                `json:"default,omitempty"`
	AnyOf       []*schema          `json:"anyOf,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Properties  properties         `json:"properties,omitempty"`
	Patterns    map[string]*schema `json:"patternProperties,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"`
	Defs        properties         `json:"$defs,omitempty"`
}

// properties is an object whose keys keep their order.
type properties []property

type property struct {
	name  string
	value *schema
}

// MarshalJSON writes the keys in order.
func (p properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, entry := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(entry.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(entry.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Schema returns the JSON Schema of the configuration.
func Schema(comments Comments) ([]byte, error) {
	objects := config.Describe()
	root := objectSchema(objects[0], comments)
	root.Schema, root.Title = "https://json-schema.org/draft/2020-12/schema", "weir.yaml"
	for _, o := range objects[1:] {
		root.Defs = append(root.Defs, property{o.Name, anyForm(o, comments)})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(root)
	return b.Bytes(), err
}

// anyForm is an object or what may stand in its place.
func anyForm(o config.Object, comments Comments) *schema {
	forms := []*schema{objectSchema(o, comments)}
	if o.TakesWord {
		forms = append(forms, &schema{Type: []string{"string", "boolean"}})
	}
	if o.Short != nil {
		forms = append(forms, valueSchema(*o.Short))
	}
	if len(forms) == 1 {
		return forms[0]
	}
	description := forms[0].Description
	forms[0].Description = ""
	return &schema{Description: description, AnyOf: forms}
}

func objectSchema(o config.Object, comments Comments) *schema {
	s := &schema{Type: "object", Description: comments[o.Name], Additional: false}
	for _, k := range o.Keys {
		if k.Name == "" {
			continue
		}
		if k.Required {
			s.Required = append(s.Required, k.Name)
		}
		value := valueSchema(k)
		value.Description = comments[k.Owner+"."+k.Field]
		s.Properties = append(s.Properties, property{k.Name, value})
	}
	if o.Rest != nil {
		s.Additional = singleSchema(*o.Rest)
	}
	if o.TakesPaths {
		route := &schema{Ref: "#/$defs/Route"}
		s.Patterns = map[string]*schema{"^[/~]": {AnyOf: []*schema{route, {Type: "array", Items: route}}}}
	}
	return s
}

func valueSchema(k config.Key) *schema {
	one := singleSchema(k)
	switch {
	case k.IsNamed:
		return &schema{Type: []string{"object", "null"}, Additional: one}
	case k.IsList:
		return &schema{AnyOf: []*schema{one, {Type: "array", Items: one}}}
	}
	return one
}

// variable is a text that stands for something of another type: `${PORT}`.
const variable = `^.*\$\{.*$`

func singleSchema(k config.Key) *schema {
	switch k.Kind {
	case config.KindObject:
		return &schema{Ref: "#/$defs/" + k.Element}
	case config.KindAny:
		return &schema{}
	case config.KindBool:
		return &schema{AnyOf: []*schema{{Type: "boolean"}, {Enum: []any{"on", "off", "yes", "no"}}, {Type: "string", Pattern: variable}}}
	case config.KindInt:
		if len(k.Words) > 0 {
			return &schema{AnyOf: []*schema{{Enum: words(k, true)}, {Type: "string", Pattern: variable}}}
		}
		return &schema{AnyOf: []*schema{{Type: "integer", Minimum: &k.Least, Maximum: &k.Most}, {Type: "string"}}}
	case config.KindFloat:
		return &schema{Type: []string{"number", "string"}}
	}
	if len(k.Words) > 0 {
		return &schema{AnyOf: []*schema{{Enum: words(k, false)}, {Type: "string", Pattern: variable}}}
	}
	scalar := &schema{Type: []string{"string", "number", "boolean"}}
	if k.Element == "secret" {
		file := &schema{Type: "object", Required: []string{"file"}, Properties: properties{{"file", &schema{Type: "string"}}}, Additional: false}
		return &schema{AnyOf: []*schema{scalar, file}}
	}
	return scalar
}

// words lists the values allowed; those that YAML reads as numbers are allowed as such too.
func words(k config.Key, onlyNumbers bool) (list []any) {
	for _, word := range k.Words {
		var number json.Number
		if json.Unmarshal([]byte(word), &number) == nil {
			list = append(list, number)
			if onlyNumbers {
				continue
			}
		}
		list = append(list, word)
	}
	return list
}
