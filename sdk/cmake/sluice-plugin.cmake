# sluice_add_plugin(NAME SOURCE...)
#
# A module NAME.so that exports sluice_plugin_open and nothing else, and that fails to link when it
# needs a symbol which neither it nor its libraries have: those of the server are not for plugins.
# Needs the target sluice::sdk. Add libraries with target_link_libraries(NAME PRIVATE ...).
set(SLUICE_PLUGIN_MAP ${CMAKE_CURRENT_LIST_DIR}/plugin.map)

function(sluice_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE sluice::sdk)
  set_target_properties(${name} PROPERTIES
    PREFIX ""
    C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${SLUICE_PLUGIN_MAP})
  target_link_options(${name} PRIVATE -Wl,--no-undefined -Wl,--exclude-libs,ALL
                      -Wl,--version-script=${SLUICE_PLUGIN_MAP})
endfunction()
