// Evaluates a Tiltfile with stand-ins for Tilt's functions: `evaluate TILTFILE STANDINS`, with the settings that the stand-ins read as JSON on standard input.
// It prints the calls that they recorded, as JSON. Programs that the Tiltfile starts run for real, in its folder.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
	"go.yaml.in/yaml/v3"
)

// Of the dialect, as Tilt has it.
var dialect = &syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}

func main() {
	if err := evaluate(os.Args[1], os.Args[2]); err != nil {
		if failed, ok := err.(*starlark.EvalError); ok {
			err = fmt.Errorf("%s", failed.Backtrace())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func evaluate(tiltfile string, standIns string) error {
	thread := &starlark.Thread{Name: "tiltfile"}
	folder := filepath.Dir(tiltfile)
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	calls := starlark.NewList(nil)
	settings, err := starlark.Call(thread, json.Module.Members["decode"], starlark.Tuple{starlark.String(input)}, nil)
	if err != nil {
		return err
	}
	tools := starlark.StringDict{
		"calls":     calls,
		"settings":  settings,
		"struct":    starlark.NewBuiltin("struct", starlarkstruct.Make),
		"json":      json.Module,
		"read":      text(func(path string) (starlark.Value, error) { return read(filepath.Join(folder, path)) }),
		"exists":    text(func(path string) (starlark.Value, error) { return exists(filepath.Join(folder, path)) }),
		"documents": text(func(yaml string) (starlark.Value, error) { return documents(yaml) }),
		"execute": starlark.NewBuiltin("execute", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return execute(folder, args)
		}),
	}
	functions, err := starlark.ExecFileOptions(dialect, thread, standIns, nil, tools)
	if err != nil {
		return err
	}
	if _, err = starlark.ExecFileOptions(dialect, thread, tiltfile, nil, functions); err != nil {
		return err
	}
	printed, err := starlark.Call(thread, json.Module.Members["encode"], starlark.Tuple{calls}, nil)
	if err == nil {
		fmt.Println(string(printed.(starlark.String)))
	}
	return err
}

func text(of func(string) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin("text", func(_ *starlark.Thread, builtin *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var given string
		if err := starlark.UnpackPositionalArgs(builtin.Name(), args, kwargs, 1, &given); err != nil {
			return nil, err
		}
		return of(given)
	})
}

func read(path string) (starlark.Value, error) {
	bytes, err := os.ReadFile(path)
	return starlark.String(bytes), err
}

func exists(path string) (starlark.Value, error) {
	_, err := os.Stat(path)
	return starlark.Bool(err == nil), nil
}

func execute(folder string, args starlark.Tuple) (starlark.Value, error) {
	var argv []string
	for _, arg := range args {
		argv = append(argv, string(arg.(starlark.String)))
	}
	command := exec.Command(argv[0], argv[1:]...)
	command.Dir = folder
	var complaint bytes.Buffer
	command.Stderr = &complaint
	printed, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, complaint.String())
	}
	return starlark.String(printed), nil
}

// Every document that is not empty.
func documents(text string) (starlark.Value, error) {
	found := starlark.NewList(nil)
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var document any
		err := decoder.Decode(&document)
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if document == nil {
			continue
		}
		value, err := starlarkOf(document)
		if err != nil {
			return nil, err
		}
		if err = found.Append(value); err != nil {
			return nil, err
		}
	}
}

func starlarkOf(value any) (starlark.Value, error) {
	switch value := value.(type) {
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(value), nil
	case int:
		return starlark.MakeInt(value), nil
	case float64:
		return starlark.Float(value), nil
	case string:
		return starlark.String(value), nil
	case []any:
		list := starlark.NewList(nil)
		for _, each := range value {
			item, err := starlarkOf(each)
			if err != nil {
				return nil, err
			}
			if err = list.Append(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		dict := starlark.NewDict(len(value))
		for key, each := range value {
			item, err := starlarkOf(each)
			if err != nil {
				return nil, err
			}
			if err = dict.SetKey(starlark.String(key), item); err != nil {
				return nil, err
			}
		}
		return dict, nil
	}
	return nil, fmt.Errorf("%T in YAML", value)
}
