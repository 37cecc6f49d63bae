<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="AllStyleCategories" labelsEnabled="$labels_enabled" hasScaleBasedVisibilityFlag="0" readOnly="0">
  <flags><Identifiable>1</Identifiable><Removable>1</Removable><Searchable>1</Searchable></flags>
$renderer$labeling  <blendMode>0</blendMode>
  <featureBlendMode>0</featureBlendMode>
  <layerOpacity>1</layerOpacity>
  <geometryOptions removeDuplicateNodes="0" geometryPrecision="0"/>
  <fieldConfiguration>
$widgets  </fieldConfiguration>
  <aliases>
$aliases  </aliases>
$form  <previewExpression>$display</previewExpression>
  <mapTip>$map_tip</mapTip>
  <layerGeometryType>$geometry_code</layerGeometryType>
</qgis>
